//! The pages a person meets: where a sign-in begins and ends, what is ready, and files.

use crate::world::{World, assert_refusal};
use poem::http::Method;
use serde_json::json;

#[tokio::test]
async fn the_first_page_says_what_runs_and_forbids_scripts() {
    let world = World::new().await;
    let page = world.send(Method::GET, "/", &[], ()).await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(page.text.contains("/docs") && page.text.contains("nobody in this browser"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");
    assert!(!policy.contains("script-src") && !page.text.contains("<script"));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn live_and_ready_answer() {
    let world = World::new().await;
    assert_eq!(world.send(Method::GET, "/health/live", &[], ()).await.status.as_u16(), 200);
    let ready = world.send(Method::GET, "/health/ready", &[], ()).await;
    assert_eq!((ready.status.as_u16(), ready.json()["status"].as_str()), (200, Some("ready")), "{}", ready.text);
}

#[tokio::test]
async fn a_link_binds_the_first_browser_that_goes_on_and_sends_it_to_microsoft() {
    let world = World::new().await;
    let started = world.json(Method::POST, "~/microsoft/authorization", &json!({"email": "ada@contoso.example"})).await;
    assert_eq!((started.status.as_u16(), started.json()["success"].as_bool()), (200, Some(true)), "{}", started.text);
    let url = started.json()["url"].as_str().expect("an address").to_owned();
    let path = url.strip_prefix("http://desk.example:3000").expect("under FRONTEND_URL").to_owned();
    let connection = format!("~/connections/{}", started.json()["connection_id"]);
    assert_eq!(world.get(&connection).await.json()["status"], "pending");

    let preview = world.send(Method::HEAD, &path, &[], ()).await;
    assert_eq!((preview.status.as_u16(), preview.header("set-cookie")), (200, ""), "a preview binds nothing");

    // Nobody is signed in here: looking binds nothing either, and going on is a press of our own button.
    for _ in 0..2 {
        let seen = world.send(Method::GET, &path, &[], ()).await;
        assert_eq!((seen.status.as_u16(), seen.header("set-cookie")), (200, ""), "{}", seen.text);
        assert!(seen.text.contains(&format!("action=\"{path}/go_on\"")), "{}", seen.text);
    }
    let go_on = format!("{path}/go_on");
    let from_elsewhere = world.send(Method::POST, &go_on, &[("sec-fetch-site", "cross-site")], ()).await;
    assert_eq!((from_elsewhere.status.as_u16(), from_elsewhere.header("set-cookie")), (403, ""));
    let opened = world.send(Method::POST, &go_on, &[("sec-fetch-site", "same-origin")], ()).await;
    assert!(opened.status.as_u16() == 200 && opened.text.contains(&format!("url={path}")), "{}", opened.text);
    let cookie = opened.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");

    let other = world.send(Method::GET, &path, &[], ()).await;
    assert_eq!(other.status.as_u16(), 403);
    assert!(other.text.contains("another browser") && other.text.contains("Who must act"), "{}", other.text);
    assert_eq!(other.header("set-cookie"), "");
    for _ in 0..2 {
        let same =
            world.send(Method::GET, &path, &[("cookie", cookie.split(';').next().unwrap_or_default())], ()).await;
        assert_eq!(same.status.as_u16(), 302, "the first browser may go again");
        let to = same.header("location");
        assert!(to.starts_with("http://127.0.0.1:9/common/oauth2/v2.0/authorize?"), "{to}");
        assert!(to.contains("code_challenge_method=S256") && to.contains("login_hint=ada%40contoso.example"), "{to}");
    }
}

#[tokio::test]
async fn a_callback_that_nobody_asked_for_ends_on_a_page_that_repeats_nothing() {
    let world = World::new().await;
    let evil = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for query in [
        String::new(),
        "state=unknown&code=SECRETCODE".to_owned(),
        format!("state={evil}&error={evil}&error_description={evil}"),
        format!("state={}", "x".repeat(20_000)),
    ] {
        let page = world.send(Method::GET, &format!("/microsoft/callback?{query}"), &[], ()).await;
        assert_eq!(page.status.as_u16(), 404, "{}", page.text);
        assert!(page.text.contains("not known here") && page.text.contains("Who must act"), "{}", page.text);
        assert!(!page.text.contains("alert(1)") && !page.text.contains("SECRETCODE"), "{}", page.text);
        assert_eq!(page.header("location"), "", "never a silent redirect");
    }
    let head = world.send(Method::HEAD, "/microsoft/callback?state=unknown", &[], ()).await;
    assert_eq!(head.status.as_u16(), 200);
}

#[tokio::test]
async fn a_confirmation_from_another_site_or_with_nonsense_is_a_page_too() {
    let world = World::new().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cross = world
        .send(Method::POST, "/microsoft/callback/confirm", &[form, ("origin", "https://evil.example")], "token=a.b")
        .await;
    assert_eq!(cross.status.as_u16(), 403);
    let ours = ("origin", "http://desk.example:3000");
    for body in ["token=a.b", "token=", "nothing=x", ""] {
        let page = world.send(Method::POST, "/microsoft/callback/confirm", &[form, ours], body).await;
        assert!(page.status.is_client_error(), "{body}: {}", page.text);
        assert!(page.text.contains("Who must act"), "{}", page.text);
    }
    let status = world.send(Method::GET, "/microsoft/connections/nonsense", &[], ()).await;
    assert_eq!(status.status.as_u16(), 404);
}

#[tokio::test]
async fn a_file_is_given_only_to_who_holds_its_link() {
    let world = World::new().await;
    for path in ["/attachments/nonsense", "/attachments/AAAA/offer.pdf", "/attachments/%00"] {
        assert_refusal(&world.send(Method::GET, path, &[], ()).await, 404, "not_found");
    }
}
