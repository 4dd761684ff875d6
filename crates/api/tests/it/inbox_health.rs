//! How a mailbox has been doing, who must act, and a look at it step by step, as clients of the API see them.

use crate::desk::{Desk, desk};
use crate::world::assert_refusal;
use app::channels::health;
use domain::{ChannelId, Failure, FailureClass};
use poem::http::Method;
use serde_json::{Value, json};
use store::AccountScope;

async fn scope(desk: &Desk) -> (AccountScope, ChannelId) {
    let operator = desk.world.app.store().operator();
    let scope = operator.account(desk.world.ours.account_id).await.expect("answers").expect("the account");
    let channel = scope.inbox(desk.inbox).await.expect("answers").expect("the inbox").channel.id;
    (scope, channel)
}

#[tokio::test]
async fn the_health_of_a_mailbox_says_since_when_how_far_behind_why_who_must_act_and_where_more_is_said() {
    let desk = desk().await;
    let (scope, channel) = scope(&desk).await;
    let failure = Failure::new(FailureClass::SmtpAuthDisabled).said("535 5.7.139 no").correlation("c0ffee");
    health::record_send(&desk.world.app, &scope, channel, Err(&failure), None).await.expect("written");
    let shown = desk.world.get(&format!("~/inboxes/{}/health", desk.inbox)).await.json();
    assert_eq!((&shown["fetch"]["state"], &shown["send"]["state"]), (&json!("connected"), &json!("blocked")));
    assert_eq!((&shown["fetch_lag_seconds"], &shown["send_lag_seconds"]), (&json!(0), &json!(0)));
    assert_eq!(shown["send_help_url"], json!("http://desk.example:3000/help/smtp_auth_disabled"));
    assert_eq!(shown["fetch_help_url"], Value::Null);
    let failure = &shown["send"]["failure"];
    assert_eq!((&failure["who_must_act"], &failure["correlation_id"]), (&json!("tenant_admin"), &json!("c0ffee")));

    let line = desk.world.get(&format!("~/inboxes/{}/health/timeline?page=1", desk.inbox)).await.json();
    assert_eq!(line["meta"], json!({"count": 3, "current_page": 1}), "both began well");
    let newest = &line["payload"][0];
    assert_eq!((&newest["part"], &newest["state"]), (&json!("send"), &json!("blocked")));
    assert_eq!(newest["failure"]["server_said"], json!("535 5.7.139 no"));
    let beyond = desk.world.get(&format!("~/inboxes/{}/health/timeline?page=2", desk.inbox)).await.json();
    assert_eq!(beyond["payload"], json!([]));
    let nowhere = desk.world.get("~/inboxes/999/health/timeline").await;
    assert_refusal(&nowhere, 404, "not_found");
}

#[tokio::test]
async fn notices_are_listed_for_administrators_and_for_nobody_else() {
    let desk = desk().await;
    assert_eq!(desk.world.get("~/health_notices").await.json(), json!({"payload": []}));
    let agent =
        json!({"name": "x", "email": "x@contoso.example", "role": "agent", "password": "correct horse battery"});
    let made = desk.world.json(Method::POST, "~/agents", &agent).await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    let signed_in = desk.world.sign_in("x@contoso.example", &[]).await;
    let headers = ["access-token", "client", "uid"].map(|name| (name, signed_in.header(name).to_owned()));
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    for path in ["~/health_notices".to_owned(), format!("~/inboxes/{}/health/timeline", desk.inbox)] {
        let refused = desk.world.send(Method::GET, &path, &headers, ()).await;
        assert!(matches!(refused.status.as_u16(), 403 | 404), "{path}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_look_at_a_mailbox_whose_servers_are_nowhere_says_so_step_by_step() {
    let desk = desk().await;
    let seen = desk.world.json(Method::POST, &format!("~/inboxes/{}/diagnose", desk.inbox), &json!({})).await;
    assert_eq!(seen.status.as_u16(), 200, "{}", seen.text);
    let seen = seen.json();
    assert_eq!(seen["token"]["outcome"], json!("failed"), "nobody has signed in to it");
    for way in ["fetch", "send"] {
        let steps = seen[way].as_array().expect("steps");
        assert_eq!((&steps[0]["name"], &steps[0]["outcome"]), (&json!("dns"), &json!("failed")), "{seen}");
        assert_eq!(steps[0]["failure"]["code"], json!("unreachable"));
        assert_eq!(steps[0]["help_url"], json!("http://desk.example:3000/help/unreachable"));
        assert!(steps[1..].iter().all(|step| step["outcome"] == json!("skipped")), "{seen}");
    }
    assert_refusal(&desk.world.json(Method::POST, "~/inboxes/999/diagnose", &json!({})).await, 404, "not_found");
}
