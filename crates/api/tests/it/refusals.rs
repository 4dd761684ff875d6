//! Every refusal has the one body, the right status, and no internal text.

use crate::world::{World, assert_refusal};
use poem::http::Method;
use serde_json::json;

#[tokio::test]
async fn unknown_paths_methods_and_ids_are_refused_in_the_one_body() {
    let world = World::new().await;
    assert_refusal(&world.get("/nowhere").await, 404, "not_found");
    assert_refusal(&world.get("/api/v1/nowhere").await, 404, "not_found");
    assert_refusal(&world.json(Method::PUT, "~/inboxes", &json!({})).await, 405, "method_not_allowed");
    for path in ["~/inboxes/999", "~/inboxes/abc", "~/inboxes/99999999999999999999999", "~/conversations/-1"] {
        let answer = world.get(path).await;
        assert_refusal(&answer, 404, "not_found");
        assert_eq!(answer.json()["error"], "Resource could not be found");
    }
    assert_refusal(&world.get("/api/v1/accounts/x/inboxes").await, 404, "not_found");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_405_and_says_which_it_takes() {
    // More calls than a minute has.
    let world = World::in_one_minute(|settings| settings.calls_per_minute = 1_000_000).await;
    let document: serde_json::Value = serde_json::from_str(&api::openapi_json()).expect("the document");
    let mut paths: Vec<(String, Vec<String>)> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = path.replace("{account_id}", &world.ours.account_id.to_string());
        let path = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>();
        paths.push((path.join("/"), item.as_object().expect("methods").keys().map(|m| m.to_uppercase()).collect()));
    }
    for (path, method) in [
        ("/", "GET"),
        ("/app", "GET"),
        ("/app/mail-frame", "GET"),
        ("/app/accounts/1/conversations", "GET"),
        ("/docs", "GET"),
        ("/openapi.json", "GET"),
        ("/health/ready", "GET"),
        ("/attachments/x", "GET"),
        ("/attachments/x/y.png", "GET"),
        ("/microsoft/connect/x", "GET"),
        ("/microsoft/callback", "GET"),
        ("/microsoft/callback/confirm", "POST"),
        ("/microsoft/callback/address", "POST"),
        ("/microsoft/callback/try_again", "POST"),
        ("/microsoft/connections/x", "GET"),
    ] {
        paths.push((path.to_owned(), vec![method.to_owned()]));
    }
    for (path, mut takes) in paths {
        if takes.iter().any(|method| method == "GET") {
            takes.push("HEAD".to_owned());
        }
        takes.sort();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if takes.iter().any(|taken| taken == method) {
                continue;
            }
            let headers = [("api_access_token", world.ours.access_token.expose())];
            let answer = world.send(method.parse().expect("a method"), &path, &headers, ()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("allow")),
                (405, takes.join(", ").as_str()),
                "{method} {path}"
            );
            if method != "HEAD" {
                assert_refusal(&answer, 405, "method_not_allowed");
            }
        }
    }
    assert_eq!(world.send(Method::PUT, "/nowhere", &[], ()).await.header("allow"), "", "nothing is there at all");
}

#[tokio::test]
async fn broken_json_a_wrong_type_and_a_wrong_word_are_400() {
    let world = World::new().await;
    let token = world.ours.access_token.expose();
    let headers = [("api_access_token", token), ("content-type", "application/json")];
    for body in ["{", "", "[]", "\u{0}", "{\"name\": 5, \"email\": \"a@b.example\"}"] {
        let answer = world.send(Method::POST, "~/agents", &headers, body).await;
        assert_refusal(&answer, 400, "invalid_body");
    }
    let deep = "[".repeat(200_000);
    assert_refusal(&world.send(Method::POST, "~/agents", &headers, deep).await, 400, "invalid_body");
    for query in ["status=opne", "assignee_type=x", "inbox_id=x", "page=-1", "page=99999999999", "sort_by=x"] {
        assert_refusal(&world.get(&format!("~/conversations?{query}")).await, 400, "bad_request");
    }
    assert_refusal(&world.get("~/contacts?sort=password").await, 400, "bad_request");
}

#[tokio::test]
async fn a_content_type_that_is_not_understood_is_415() {
    let world = World::new().await;
    let token = world.ours.access_token.expose();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let headers = [("api_access_token", token), ("content-type", content_type)];
        let answer = world.send(Method::POST, "~/agents", &headers, "name=x").await;
        assert_refusal(&answer, 415, "unsupported_media_type");
    }
    let answer = world.send(Method::POST, "~/agents", &[("api_access_token", token)], "{}").await;
    assert_refusal(&answer, 415, "unsupported_media_type");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_it_says_so_or_not() {
    let world = World::new().await;
    let token = world.ours.access_token.expose();
    let big = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    let length = big.len().to_string();
    let said = [("api_access_token", token), ("content-type", "application/json"), ("content-length", &length)];
    assert_refusal(&world.send(Method::POST, "~/agents", &said, big.clone()).await, 413, "too_large");
    let unsaid = [("api_access_token", token), ("content-type", "application/json")];
    assert_refusal(&world.send(Method::POST, "~/agents", &unsaid, big).await, 413, "too_large");

    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"attachments[]\"; filename=\"a\"\r\n\r\n".to_vec();
    form.resize(41 * 1024 * 1024, b'x');
    let upload = [("api_access_token", token), ("content-type", "multipart/form-data; boundary=b")];
    let answer = world.send(Method::POST, "~/conversations/1/messages", &upload, form).await;
    assert_refusal(&answer, 413, "too_large");
}

#[tokio::test]
async fn values_that_cannot_be_taken_are_422_and_name_their_fields() {
    let world = World::new().await;
    let answer = world.json(Method::POST, "~/agents", &json!({"name": "Ada", "email": "not an address"})).await;
    assert_refusal(&answer, 422, "invalid");
    assert_eq!(answer.json()["attributes"], json!(["email"]));
    let again = json!({"name": "Ada", "email": "admin@contoso.example"});
    let answer = world.json(Method::POST, "~/agents", &again).await;
    assert_refusal(&answer, 422, "invalid");
    assert_eq!(answer.json()["message"], "Email has already been taken");
    let me = world.ours.user_id;
    assert_refusal(&world.json(Method::DELETE, &format!("~/agents/{me}"), &json!({})).await, 422, "last_administrator");
}

#[tokio::test]
async fn a_callers_request_id_is_kept_when_it_can_stand_in_a_log() {
    let world = World::new().await;
    let kept = world.send(Method::GET, "/nowhere", &[("x-request-id", "abc-123_DEF")], ()).await;
    assert_eq!(kept.header("x-request-id"), "abc-123_DEF");
    for bad in ["a b c d e f", "short", "x\"y\"z\"x\"y", &"x".repeat(65)] {
        let made = world.send(Method::GET, "/nowhere", &[("x-request-id", bad)], ()).await;
        assert_eq!(made.header("x-request-id").len(), 24, "{bad}");
    }
    assert_eq!(kept.header("cache-control"), "no-store");
    assert_eq!(kept.header("x-content-type-options"), "nosniff");
}
