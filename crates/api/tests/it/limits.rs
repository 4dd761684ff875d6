//! How often the API may be called: by whom a call is counted, what a refused one costs, and who is not concerned.

use crate::world::{Answer, World, assert_refusal};
use poem::http::{Method, StatusCode};
use serde_json::json;

const PROFILE: &str = "/api/v1/profile";

/// One person's calls; a stranger's are a tenth.
async fn limited_to(calls: u32) -> World {
    World::in_one_minute(|settings| settings.calls_per_minute = calls).await
}

async fn profile(world: &World, token: &str) -> Answer {
    world.send(Method::GET, PROFILE, &[("api_access_token", token)], ()).await
}

fn assert_told_to_wait(answer: &Answer) {
    assert_refusal(answer, 429, "too_many_requests");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=60).contains(&wait)), "{}", answer.text);
}

#[tokio::test]
async fn who_calls_too_often_is_told_when_to_come_back_and_another_tenant_does_not_wait() {
    let world = limited_to(30).await;
    let (ours, theirs) = (world.ours.access_token.expose(), world.theirs.access_token.expose());
    for n in 0..30 {
        assert_eq!(profile(&world, ours).await.status, StatusCode::OK, "call {n}");
    }
    for _ in 0..100 {
        assert_told_to_wait(&profile(&world, ours).await);
    }
    assert_told_to_wait(&world.get("~/inboxes").await);
    assert_told_to_wait(&world.json(Method::POST, "~/agents", &json!({"name": "Ada", "email": "a@b.example"})).await);
    assert_eq!(profile(&world, theirs).await.status, StatusCode::OK);
    assert_eq!(world.send(Method::GET, "/", &[], ()).await.status, StatusCode::OK, "nor does a stranger");
}

#[tokio::test]
async fn all_tokens_and_sessions_of_a_person_are_counted_together() {
    let world = limited_to(30).await;
    let signed_in = world.sign_in("admin@contoso.example", &[]).await;
    let session = [
        ("access-token", signed_in.header("access-token")),
        ("client", signed_in.header("client")),
        ("uid", "admin@contoso.example"),
    ];
    for _ in 0..15 {
        assert_eq!(profile(&world, world.ours.access_token.expose()).await.status, StatusCode::OK);
        assert_eq!(world.send(Method::GET, PROFILE, &session, ()).await.status, StatusCode::OK);
    }
    assert_told_to_wait(&profile(&world, world.ours.access_token.expose()).await);
    assert_told_to_wait(&world.send(Method::GET, PROFILE, &session, ()).await);
}

#[tokio::test]
async fn a_flood_asks_the_database_no_more_often_than_it_may_call() {
    let world = limited_to(100).await;
    let asked = || world.app.store().statements().count();
    let before = asked();
    for n in 0..500 {
        let made_up = profile(&world, &format!("made-up-{n}")).await;
        if n < 10 {
            assert_refusal(&made_up, 401, "invalid_access_token");
        } else {
            assert_told_to_wait(&made_up);
        }
    }
    assert!(asked() - before <= 10, "{} statements for 500 made-up tokens", asked() - before);
    for _ in 0..100 {
        profile(&world, world.theirs.access_token.expose()).await;
    }
    let before = asked();
    for _ in 0..100 {
        assert_told_to_wait(&profile(&world, world.theirs.access_token.expose()).await);
    }
    assert_eq!(asked() - before, 0, "who is known and calls too often costs no statement");
}

#[tokio::test]
async fn strangers_do_not_use_up_what_somebody_known_at_the_same_address_may_do() {
    let world = limited_to(100).await;
    assert_eq!(profile(&world, world.ours.access_token.expose()).await.status, StatusCode::OK);
    for _ in 0..50 {
        world.send(Method::GET, PROFILE, &[], ()).await;
    }
    assert_told_to_wait(&world.send(Method::GET, PROFILE, &[], ()).await);
    assert_told_to_wait(&world.sign_in("admin@contoso.example", &[]).await);
    for _ in 1..100 {
        assert_eq!(profile(&world, world.ours.access_token.expose()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn who_comes_back_from_a_break_does_not_wait_for_the_strangers_at_their_address() {
    let (world, pass) = World::where_time_passes(|settings| settings.calls_per_minute = 100).await;
    let token = world.ours.access_token.expose();
    assert_eq!(profile(&world, token).await.status, StatusCode::OK);
    for break_seconds in [61, 3600] {
        pass(break_seconds);
        while profile(&world, "made up").await.status != StatusCode::TOO_MANY_REQUESTS {}
        assert_eq!(profile(&world, token).await.status, StatusCode::OK, "after {break_seconds} s");
    }
    // A token that nobody has for a day is a stranger's again, until the database is asked.
    pass(24 * 3600);
    while profile(&world, "made up").await.status != StatusCode::TOO_MANY_REQUESTS {}
    assert_told_to_wait(&profile(&world, token).await);
}

#[tokio::test]
async fn who_is_known_uses_up_nothing_of_the_strangers_at_their_address() {
    let world = limited_to(100).await;
    for _ in 0..4 {
        for _ in 0..20 {
            assert_eq!(profile(&world, world.ours.access_token.expose()).await.status, StatusCode::OK);
        }
        assert_eq!(profile(&world, world.theirs.access_token.expose()).await.status, StatusCode::OK);
    }
    for n in 0..10 {
        assert_eq!(world.send(Method::GET, "/", &[], ()).await.status, StatusCode::OK, "stranger's call {n}");
    }
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_is_a_strangers() {
    let world = limited_to(100).await;
    assert_eq!(profile(&world, world.ours.access_token.expose()).await.status, StatusCode::OK);
    let signed_in = world.sign_in("admin@contoso.example", &[]).await;
    let session = [
        ("access-token", signed_in.header("access-token")),
        ("client", signed_in.header("client")),
        ("uid", "admin@contoso.example"),
    ];
    assert_eq!(world.send(Method::GET, PROFILE, &session, ()).await.status, StatusCode::OK);
    world.send(Method::DELETE, "/auth/sign_out", &session, ()).await;
    let mut refused = 0;
    while world.send(Method::GET, PROFILE, &session, ()).await.status == StatusCode::UNAUTHORIZED {
        refused += 1;
        assert!(refused <= 10, "a tenth of the limit");
    }
    assert_eq!(profile(&world, world.ours.access_token.expose()).await.status, StatusCode::OK, "theirs is untouched");
}

#[tokio::test]
async fn who_shows_a_revoked_token_where_nobody_asks_whose_it_is_does_not_lock_its_user_out() {
    let (world, pass) = World::where_time_passes(|settings| settings.calls_per_minute = 100).await;
    let signed_in = world.sign_in("admin@contoso.example", &[]).await;
    let stolen = [
        ("access-token", signed_in.header("access-token")),
        ("client", signed_in.header("client")),
        ("uid", "admin@contoso.example"),
    ];
    assert_eq!(world.send(Method::GET, PROFILE, &stolen, ()).await.status, StatusCode::OK);
    world.send(Method::DELETE, "/auth/sign_out", &stolen, ()).await;
    let (victim, paths) = (world.ours.access_token.expose(), ["/api", "/nowhere", "/auth/sign_in"]);
    // It goes on being shown, so that nothing of it is forgotten for lack of use.
    for _ in 0..7 {
        for path in paths {
            world.send(Method::GET, path, &stolen, ()).await;
        }
        assert_eq!(profile(&world, victim).await.status, StatusCode::OK);
        pass(10);
    }
    for path in paths {
        for _ in 0..200 {
            world.send(Method::GET, path, &stolen, ()).await;
        }
    }
    assert_told_to_wait(&world.send(Method::GET, "/api", &stolen, ()).await);
    assert_eq!(profile(&world, victim).await.status, StatusCode::OK, "they are counted apart from the thief");
}

#[tokio::test]
async fn a_person_in_front_of_a_page_reads_that_they_should_wait() {
    let world = limited_to(10).await;
    for path in ["/", "/microsoft/connect/x", "/microsoft/callback?state=secret&code=c", "/microsoft/connections/x"] {
        world.send(Method::GET, path, &[], ()).await;
        let page = world.send(Method::GET, path, &[], ()).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (StatusCode::TOO_MANY_REQUESTS, "text/html; charset=utf-8")
        );
        assert!(page.text.contains("wait a minute") && !page.text.contains("secret"), "{}", page.text);
        assert!(page.header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=60).contains(&wait)));
    }
    let ours = ("origin", "http://desk.example:3000");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let page = world.send(Method::POST, "/microsoft/callback/confirm", &[form, ours], "token=a.b").await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn files_are_counted_apart_and_what_is_the_same_for_everybody_is_not_counted() {
    let world = limited_to(20).await;
    for _ in 0..20 {
        let file = world.send(Method::GET, "/attachments/nonsense/a.pdf", &[], ()).await;
        assert_refusal(&file, 404, "not_found");
    }
    assert_told_to_wait(&world.send(Method::GET, "/attachments/nonsense/a.pdf", &[], ()).await);
    assert_eq!(world.send(Method::GET, "/", &[], ()).await.status, StatusCode::OK);
    for _ in 0..50 {
        for path in ["/health/live", "/health/ready", "/docs", "/swagger", "/openapi.json"] {
            assert_eq!(world.send(Method::GET, path, &[], ()).await.status, StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_open_sign_ins() {
    let world = World::in_one_minute(|_| {}).await;
    let begin = async |token: &str, account| {
        let path = format!("/api/v1/accounts/{account}/microsoft/authorization");
        world.json_as(token, Method::POST, &path, &json!({})).await
    };
    for n in 0..100 {
        let begun = begin(world.ours.access_token.expose(), world.ours.account_id).await;
        assert_eq!(begun.status, StatusCode::OK, "{n}: {}", begun.text);
    }
    let refused = begin(world.ours.access_token.expose(), world.ours.account_id).await;
    assert_refusal(&refused, 429, "too_many_open_connections");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|wait| wait > 0));
    assert_eq!(begin(world.theirs.access_token.expose(), world.theirs.account_id).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_agents() {
    let world = World::in_one_minute(|settings| settings.account_agents_limit = 2).await;
    let agent = |n: usize| json!({"name": "Ada", "email": format!("ada{n}@contoso.example")});
    let made = world.json(Method::POST, "~/agents", &agent(0)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let refused = world.json(Method::POST, "~/agents", &agent(1)).await;
    assert_refusal(&refused, 422, "agents_limit_reached");
    assert!(refused.text.contains("ACCOUNT_AGENTS_LIMIT"), "{}", refused.text);
    assert_refusal(&world.json(Method::POST, "~/agents", &agent(0)).await, 422, "invalid");
    let removed = world.json(Method::DELETE, &format!("~/agents/{}", made.json()["id"]), &json!({})).await;
    assert_eq!(removed.status, StatusCode::OK, "{}", removed.text);
    assert_eq!(world.json(Method::POST, "~/agents", &agent(1)).await.status, StatusCode::OK, "there is room again");
}

#[tokio::test]
async fn the_twenty_sixth_session_of_a_person_ends_their_first_and_no_token() {
    let world = World::in_one_minute(|_| {}).await;
    let mut sessions = Vec::new();
    for _ in 0..26 {
        let signed_in = world.sign_in("admin@contoso.example", &[]).await;
        assert_eq!(signed_in.status, StatusCode::OK, "{}", signed_in.text);
        sessions.push((signed_in.header("access-token").to_owned(), signed_in.header("client").to_owned()));
    }
    let mut lives = Vec::new();
    for (token, client) in &sessions {
        let headers = [("access-token", token.as_str()), ("client", client), ("uid", "admin@contoso.example")];
        lives.push(world.send(Method::GET, PROFILE, &headers, ()).await.status == StatusCode::OK);
    }
    assert_eq!(lives.iter().position(|lives| *lives), Some(1), "{lives:?}");
    assert!(lives[1..].iter().all(|lives| *lives), "{lives:?}");
    assert_eq!(profile(&world, world.ours.access_token.expose()).await.status, StatusCode::OK);
}
