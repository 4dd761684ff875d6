//! Somebody signs in again while Microsoft is being asked with what was stored before: its refusal is about what is not there any more.

use crate::support::{World, connected, world};
use app::channels::{health, inboxes, refresh};
use app::{App, AppParts};
use domain::channel::HealthState;
use domain::{FailureClass, InboxId, Secret};
use oauth::{Credential, Microsoft, MicrosoftSettings, Resource};
use std::sync::Arc;
use std::time::Duration;
use store::GrantStatus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use url::Url;

const SUPPORT: &str = "support@contoso.example";
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

/// A sign-in service that takes its time over a refresh, and then answers.
struct Slow {
    login_url: Url,
    asked: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Slow {
    async fn refusing(error: &'static str, code: u32) -> Self {
        let description = format!("AADSTS{code}: Refused.");
        let refusal = serde_json::json!({"error": error, "error_description": description, "error_codes": [code]});
        Self::answering("400 Bad Request", refusal).await
    }

    async fn answering(status: &'static str, answered: serde_json::Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let login_url = format!("http://{}/", listener.local_addr().expect("an address"));
        let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (has_asked, may_answer, base) = (asked.clone(), answer.clone(), login_url.clone());
        tokio::spawn(async move {
            loop {
                let Ok((mut socket, _)) = listener.accept().await else { return };
                let request = read_request(&mut socket).await;
                let (status, body) = if request.starts_with("GET ") {
                    let document = serde_json::json!({
                        "issuer": format!("{base}{{tenantid}}/v2.0"),
                        "token_endpoint": format!("{base}token"),
                        "jwks_uri": format!("{base}keys"),
                    });
                    ("200 OK", document)
                } else {
                    has_asked.notify_one();
                    may_answer.notified().await;
                    (status, answered.clone())
                };
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { login_url: Url::parse(&login_url).expect("a URL"), asked, answer }
    }

    /// Another process of the same installation, which asks this service.
    fn app(&self, world: &World) -> App {
        let redirect_uri = world.app.settings().frontend_url.join("microsoft/callback").expect("a URL");
        let microsoft = MicrosoftSettings {
            login_url: self.login_url.clone(),
            graph_url: None,
            authority: "common".to_owned(),
            client_id: world.sandbox.client_id().to_owned(),
            credentials: vec![Credential::secret(world.sandbox.client_secret())],
            redirect_uri,
            production: false,
        };
        let microsoft = Microsoft::new(microsoft, world.app.connector().clone(), world.app.clock().clone());
        App::new(AppParts { microsoft: Some(microsoft.expect("settings that fit")), ..world.parts() })
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = socket.read(&mut piece).await.unwrap_or(0);
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request);
        if read == 0
            || text.starts_with("GET ") && text.ends_with("\r\n\r\n")
            || text.contains("grant_type=refresh_token")
        {
            return text.into_owned();
        }
    }
}

async fn states(world: &World, inbox: InboxId) -> [HealthState; 2] {
    let channel = world.channel(inbox).await;
    [channel.fetch_health.state, channel.send_health.state]
}

#[tokio::test]
async fn a_refusal_that_comes_after_a_new_sign_in_is_about_the_old_one() {
    for (error, code, class) in
        [("invalid_grant", 50_173, FailureClass::GrantRevoked), ("invalid_grant", 53_003, FailureClass::PolicyBlocked)]
    {
        let world = world().await;
        let inbox = connected(&world.connect(SUPPORT, None).await);
        let scope = world.admin().await.scope;
        let channel = scope.channel_of_mailbox(SUPPORT).await.expect("the database").expect("a channel").channel_id;
        let grant = scope.channel(channel).await.expect("the database").expect("a channel").grant_id.expect("a grant");
        let slow = Slow::refusing(error, code).await;
        let other = slow.app(&world);
        world.advance(TWO_HOURS);

        let asking = async { refresh::access_token(&other, &scope, grant, Resource::Outlook).await };
        let signing_in = async {
            slow.asked.notified().await;
            assert_eq!(connected(&world.connect(SUPPORT, Some(inbox)).await), inbox);
            slow.answer.notify_one();
        };
        let (token, ()) = tokio::join!(asking, signing_in);
        let stored = scope.access_token(grant, "outlook").await.expect("the database").expect("a token").token;
        assert_eq!(token.expect("the token of the new sign-in"), stored, "{class:?}");
        assert_eq!(states(&world, inbox).await, [HealthState::Connected; 2], "{class:?}");

        // Nobody signs in while it refuses the next time, and it is told.
        world.advance(TWO_HOURS);
        slow.answer.notify_one();
        let refused = refresh::access_token(&other, &scope, grant, Resource::Outlook).await.expect_err("refused");
        assert_eq!(refused.class, class);
        assert!(states(&world, inbox).await.iter().all(|state| !state.is_tried()), "{class:?}");
    }
}

#[tokio::test]
async fn who_learnt_of_a_refusal_late_says_nothing_about_the_permission_that_was_given_since() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let scope = world.admin().await.scope;
    let channel = scope.channel_of_mailbox(SUPPORT).await.expect("the database").expect("a channel").channel_id;
    for record in [FailureClass::GrantExpired, FailureClass::GrantRevoked] {
        let recorded = health::record_send(&world.app, &scope, channel, Err(&record.into()), None).await;
        recorded.expect("the database");
        let recorded = health::record_fetch(&world.app, &scope, channel, Err(&record.into()), None).await;
        recorded.expect("the database");
        assert_eq!(states(&world, inbox).await, [HealthState::Connected; 2], "the permission stands");
    }
}

#[tokio::test]
async fn a_process_that_dies_between_a_refusal_and_saying_so_leaves_it_to_the_next_one_who_wants_a_token() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let scope = world.admin().await.scope;
    let channel = scope.channel_of_mailbox(SUPPORT).await.expect("the database").expect("a channel").channel_id;
    let grant = scope.channel(channel).await.expect("the database").expect("a channel").grant_id.expect("a grant");
    // The grant is refused in its row, and there it ends.
    let claim = scope.claim_refresh(grant, Duration::from_secs(90)).await.expect("the database").expect("a claim");
    let revoked = FailureClass::GrantRevoked.into();
    assert!(scope.refresh_refused(&claim, &revoked).await.expect("the database"));
    assert_eq!(states(&world, inbox).await, [HealthState::Connected; 2]);

    world.advance(TWO_HOURS);
    let refused = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect_err("refused");
    assert_eq!(refused, revoked, "the next one tells the reason as the first would have");
    assert_eq!(states(&world, inbox).await, [HealthState::NeedsReauth; 2], "both wait for the owner");
    assert_eq!(connected(&world.connect(SUPPORT, Some(inbox)).await), inbox);
    assert_eq!(states(&world, inbox).await, [HealthState::Connected; 2]);
    assert_eq!(scope.grant(grant).await.expect("the database").expect("a grant").status, GrantStatus::Active);
}

#[tokio::test]
async fn an_inbox_that_is_deleted_while_its_token_is_refreshed_leaves_no_token_behind() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let admin = world.admin().await;
    let scope = admin.scope.clone();
    let channel = scope.channel_of_mailbox(SUPPORT).await.expect("the database").expect("a channel").channel_id;
    let grant = scope.channel(channel).await.expect("the database").expect("a channel").grant_id.expect("a grant");
    let late = serde_json::json!({
        "token_type": "Bearer", "access_token": "late-access", "refresh_token": "late-refresh", "expires_in": 3600,
    });
    let slow = Slow::answering("200 OK", late).await;
    let other = slow.app(&world);
    world.advance(TWO_HOURS);
    let asking = async { refresh::access_token(&other, &scope, grant, Resource::Outlook).await };
    let deleting = async {
        slow.asked.notified().await;
        inboxes::delete(&world.app, &admin, inbox).await.expect("deleted");
        slow.answer.notify_one();
    };
    let (_, ()) = tokio::join!(asking, deleting);
    assert!(scope.grant(grant).await.expect("the database").is_none(), "the permission went with its last inbox");
    assert!(scope.access_token(grant, "outlook").await.expect("the database").is_none());
    let refused = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect_err("it is gone");
    assert_eq!(refused.class, FailureClass::ChannelRemoved);
}

#[tokio::test]
async fn a_process_that_dies_while_it_asks_for_a_token_is_waited_for_and_the_next_one_asks() {
    let world = world().await;
    connected(&world.connect(SUPPORT, None).await);
    let scope = world.admin().await.scope;
    let channel = scope.channel_of_mailbox(SUPPORT).await.expect("the database").expect("a channel").channel_id;
    let grant = scope.channel(channel).await.expect("the database").expect("a channel").grant_id.expect("a grant");
    world.advance(TWO_HOURS);
    // It claimed the refresh, and there it ended.
    let dead = scope.claim_refresh(grant, Duration::from_millis(300)).await.expect("the database").expect("a claim");
    let token = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
    let stored = scope.access_token(grant, "outlook").await.expect("the database").expect("a token");
    assert_eq!(stored.token, token);
    // Should it live after all, it changes nothing any more.
    let late = store::RefreshedTokens {
        scopes: Vec::new(),
        resource: "outlook".to_owned(),
        access_token: Secret::new("late"),
        expires_at: world.app.now().plus(TWO_HOURS),
        refresh_token: Some(Secret::new("late")),
    };
    assert!(!scope.store_refreshed(&dead, &late).await.expect("the database"));
    assert_eq!(scope.access_token(grant, "outlook").await.expect("the database").expect("a token").token, token);
}
