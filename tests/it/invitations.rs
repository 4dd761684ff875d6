//! People come to a password: through the real program, its worker and a mail server (R6).

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::post_office::PostOffice;
use testkit::world::{Setup, World};

const GRACE: &str = "grace@contoso.example";

async fn signs_in(w: &World, email: &str, password: &str) -> Result<u16> {
    let who = json!({"email": email, "password": password});
    Ok(w.api.with_token(None).call("POST", "/auth/sign_in", Some(&who)).await?.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_accepts_an_invitation_that_was_mailed_and_later_sets_a_new_password() -> Result<()> {
    let office = PostOffice::open().await?;
    // The first try finds nobody; the mail comes all the same.
    office.turn_away(1);
    let setup = Setup::default()
        .with("SMTP_ADDRESS", "127.0.0.1")
        .with("SMTP_PORT", &office.addr.port().to_string())
        .with("SMTP_ENABLE_STARTTLS_AUTO", "false")
        .with("MAILER_SENDER_EMAIL", "Our Desk <desk@contoso.example>");
    World::run(setup, async |w| {
        let invited = w.api.post(&w.path("/agents"), &json!({"name": "Grace", "email": GRACE})).await?;
        assert_eq!((invited["confirmed"].as_bool(), invited.get("invitation_url")), (Some(false), None));
        let mail = office.mail(0).await?;
        assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("desk@contoso.example", &[GRACE.to_owned()][..]));
        let token = mail.token().context("a link")?;
        let stranger = w.api.with_token(None);
        let set = |token: &str, password: &str| {
            json!({"reset_password_token": token, "password": password, "password_confirmation": password})
        };
        let accepted = stranger.call("PUT", "/auth/password", Some(&set(&token, "correct horse"))).await?;
        assert_eq!(accepted.status, 200, "{}", accepted.text);
        assert_eq!(signs_in(w, GRACE, "correct horse").await?, 200);
        let again = stranger.call("PUT", "/auth/password", Some(&set(&token, "another horse"))).await?;
        assert_eq!(again.status, 422, "{}", again.text);

        for email in ["nobody@contoso.example", GRACE] {
            let asked = stranger.call("POST", "/auth/password", Some(&json!({"email": email}))).await?;
            assert_eq!(asked.status, 200, "{}", asked.text);
        }
        let token = office.mail(1).await?.token().context("a link")?;
        let reset = stranger.call("PUT", "/auth/password", Some(&set(&token, "battery staple"))).await?;
        assert_eq!(reset.status, 200, "{}", reset.text);
        assert_eq!(signs_in(w, GRACE, "correct horse").await?, 401);
        assert_eq!(signs_in(w, GRACE, "battery staple").await?, 200);
        assert_eq!(office.taken().len(), 2, "nobody is mailed where nobody is");
        let logs = w.logs();
        assert!(!logs.contains(GRACE) && !logs.contains(&token), "no address and no token is logged");
        Ok(())
    })
    .await
}
