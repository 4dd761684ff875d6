//! Who may sign in (C1): each kind of `AZURE_TENANT`, and everybody who comes to it, through the real callback.
//!
//! Microsoft's own page keeps out whom the authority does not admit, and sends nobody back. A person, or a program on the way, can put another
//! authority into that page's address, so Postroom is asked as well.

use anyhow::{Context, Result};
use sandbox::{Answer, CONTOSO, SignedIn, TenantUser};
use serde_json::{Value, json};
use testkit::world::{SUPPORT, Setup, World};

const PERSONAL: &str = "corner.shop@outlook.example";
const NORTHWIND: &str = "5d9d2f8c-3f1a-4c57-9a5e-0d2b6c1f7e44";
const ELSEWHERE: &str = "help@northwind.example";

/// At this authority these connect, and the others are kept out, with what they are told when they come all the same.
async fn who_signs_in_at(authority: &str, admitted: &[&str], kept_out: &[&str]) -> Result<()> {
    let mut setup = Setup::default().with("AZURE_TENANT", authority);
    setup.sandbox.tenants.push(sandbox::Tenant::new(NORTHWIND, "Northwind", "northwind.example"));
    setup.sandbox.users.push(TenantUser::work(NORTHWIND, ELSEWHERE, "Northwind Help"));
    World::run(setup, async |w| {
        for user in admitted {
            let inbox = w.connect_and_watch(user).await?;
            let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
            assert_eq!(shown["email"], json!(user));
        }
        let mut browser = w.admin_browser().await?;
        for user in kept_out {
            let (url, connection) = w.authorization(&json!({})).await?;
            let authorize = w.microsoft_from(&mut browser, &url).await?;
            let answer = w.sandbox.answer_sign_in(&authorize, user, Answer::Accept).await;
            let SignedIn::Page { text, .. } = answer.map_err(|error| anyhow::anyhow!("{error}"))? else {
                anyhow::bail!("{user} is let in at {authority}")
            };
            assert!(text.contains("AADSTS50020"), "{text}");
            let path = w.path(&format!("/connections/{connection}"));
            assert_eq!(w.api.get(&path).await?["status"], json!("pending"), "they may still choose another account");

            let other = authorize.replace(&format!("/{authority}/"), "/common/");
            assert_ne!(other, authorize);
            let callback = w.sandbox.sign_in(&other, user).await.map_err(|error| anyhow::anyhow!("{error}"))?;
            let page = browser.open(&callback).await?;
            assert!((400..500).contains(&page.status), "{}: {}", page.status, page.text());
            assert!(page.text().contains("The account that signed in cannot be used here"), "{}", page.text());
            assert!(page.text().contains("Sign in with an account of the organisation"), "{}", page.text());
            let ended = w.api.get(&path).await?;
            assert_eq!(
                (&ended["status"], &ended["failure"]["code"], &ended["failure"]["who_must_act"]),
                (&json!("failed"), &json!("wrong_account"), &json!("owner"))
            );
        }
        let inboxes: Value = w.api.get(&w.path("/inboxes")).await?;
        assert_eq!(inboxes["payload"].as_array().context("payload")?.len(), admitted.len());
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_common_everybody_signs_in() -> Result<()> {
    who_signs_in_at("common", &[SUPPORT, ELSEWHERE, PERSONAL], &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_organizations_every_organisation_signs_in_and_no_personal_account() -> Result<()> {
    who_signs_in_at("organizations", &[SUPPORT, ELSEWHERE], &[PERSONAL]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_consumers_personal_accounts_sign_in_and_no_organisation() -> Result<()> {
    who_signs_in_at("consumers", &[PERSONAL], &[SUPPORT, ELSEWHERE]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_tenant_id_its_own_people_sign_in_and_nobody_else() -> Result<()> {
    who_signs_in_at(CONTOSO, &[SUPPORT], &[ELSEWHERE, PERSONAL]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_domain_name_its_tenants_people_sign_in_and_nobody_else() -> Result<()> {
    who_signs_in_at("contoso.example", &[SUPPORT], &[ELSEWHERE, PERSONAL]).await
}
