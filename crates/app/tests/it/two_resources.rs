//! One refresh token, and a token for the mail servers and one for Graph: each is as old as it is, and a refusal of one is none of the other.

use crate::support::{World, connected, world};
use app::channels::refresh;
use domain::channel::{EmailChannel, HealthState, SendTransport};
use domain::{Actor, FailureClass, InboxId, Secret};
use oauth::Resource;
use sandbox::{GraphFault, GraphPoint, TokenFault};
use std::time::Duration;
use store::{AccountScope, GrantStatus};

const SUPPORT: &str = "support@contoso.example";
const TEN_MINUTES: Duration = Duration::from_secs(600);
const TWO_HOURS: Duration = Duration::from_secs(7200);

struct Both {
    world: World,
    scope: AccountScope,
    channel: EmailChannel,
}

impl Both {
    async fn of(world: World, inbox: InboxId) -> Self {
        let scope = world.admin().await.scope;
        let channel = scope.inbox(inbox).await.expect("answers").expect("an inbox").channel;
        Self { world, scope, channel }
    }

    async fn token(&self, resource: Resource) -> Result<Secret, domain::Failure> {
        let grant = self.channel.grant_id.expect("a grant");
        refresh::access_token(&self.world.app, &self.scope, grant, resource).await
    }

    async fn fresh(&self, resource: Resource) -> Secret {
        let grant = self.channel.grant_id.expect("a grant");
        refresh::fresh_access_token(&self.world.app, &self.scope, grant, resource).await.expect("a token")
    }

    async fn grant(&self) -> store::Grant {
        self.scope.grant(self.channel.grant_id.expect("a grant")).await.expect("answers").expect("there")
    }
}

#[tokio::test]
async fn refreshing_for_one_resource_leaves_the_other_ones_token_and_makes_it_no_younger() {
    let world = world().await;
    let inbox = connected(&world.connect_by_graph(SUPPORT, None).await);
    let both = Both::of(world, inbox).await;
    assert_eq!(both.channel.send_transport, SendTransport::Graph);
    let (outlook, graph) =
        (both.token(Resource::Outlook).await.expect("a token"), both.token(Resource::Graph).await.expect("a token"));
    assert_ne!(outlook, graph);
    let scopes = both.grant().await.scopes;
    assert!(scopes.iter().any(|scope| scope == "https://graph.microsoft.com/Mail.Send"), "{scopes:?}");
    assert!(scopes.iter().any(|scope| scope == "https://outlook.office.com/SMTP.Send"), "{scopes:?}");
    both.world.advance(TEN_MINUTES);
    let before = both.world.sandbox.refreshed();
    let newer = both.fresh(Resource::Graph).await;
    assert_ne!(newer, graph);
    assert_eq!(both.token(Resource::Outlook).await.expect("a token"), outlook, "it is good for most of an hour still");
    assert_eq!(both.world.sandbox.refreshed(), before + 1);
    // The mail server refuses its token of ten minutes: that Graph's is a moment old is no reason to keep it.
    assert_ne!(both.fresh(Resource::Outlook).await, outlook);
    assert_eq!(both.token(Resource::Graph).await.expect("a token"), newer);
    assert_eq!(both.world.sandbox.refreshed(), before + 2);
}

#[tokio::test]
async fn of_many_who_ask_for_both_at_once_each_resource_is_refreshed_once() {
    let world = world().await;
    let inbox = connected(&world.connect_by_graph(SUPPORT, None).await);
    let both = Both::of(world, inbox).await;
    both.world.advance(TWO_HOURS);
    let before = both.world.sandbox.refreshed();
    let asking = (0..12).map(|n| both.token(if n % 2 == 0 { Resource::Outlook } else { Resource::Graph }));
    let tokens: Vec<Secret> =
        futures_util::future::join_all(asking).await.into_iter().map(|token| token.expect("a token")).collect();
    assert_eq!(both.world.sandbox.refreshed(), before + 2);
    assert!(tokens.iter().step_by(2).all(|token| *token == tokens[0]));
    assert!(tokens.iter().skip(1).step_by(2).all(|token| *token == tokens[1]));
}

#[tokio::test]
async fn graph_that_nobody_consented_to_or_that_is_blocked_ends_no_grant_and_no_reading() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let both = Both::of(world, inbox).await;
    assert_eq!(both.token(Resource::Graph).await.expect_err("refused").class, FailureClass::GraphConsentMissing);
    both.world.sandbox.faults().once(TokenFault::conditional_access());
    assert_eq!(both.token(Resource::Graph).await.expect_err("refused").class, FailureClass::PolicyBlocked);
    assert_eq!(both.grant().await.status, GrantStatus::Active);
    let now = both.scope.channel(both.channel.id).await.expect("answers").expect("there");
    assert_eq!((now.fetch_health.state, now.send_health.state), (HealthState::Connected, HealthState::Connected));
    both.world.advance(TWO_HOURS);
    both.token(Resource::Outlook).await.expect("a token");
    // What was revoked is revoked for both.
    both.world.sandbox.revoke_refresh_tokens(SUPPORT);
    assert_eq!(both.token(Resource::Graph).await.expect_err("refused").class, FailureClass::GrantRevoked);
    assert_eq!(both.grant().await.status, GrantStatus::NeedsReauth);
}

#[tokio::test]
async fn a_refusal_of_graph_is_a_missing_permission_when_a_newer_token_lacks_it_and_a_closed_mailbox_else() {
    for at in [GraphPoint::CreateDraft, GraphPoint::Send] {
        for (lacks, class, state) in [
            (Some("Mail.Send"), FailureClass::GraphConsentMissing, HealthState::NeedsReauth),
            (Some("Mail.ReadWrite"), FailureClass::GraphConsentMissing, HealthState::NeedsReauth),
            (None, FailureClass::GraphAccessDenied, HealthState::Blocked),
        ] {
            let world = world().await;
            let inbox = connected(&world.connect_by_graph(SUPPORT, None).await);
            world.stop_proving();
            let both = Both::of(world, inbox).await;
            let conversation = both.world.first_conversation(SUPPORT).await;
            both.token(Resource::Graph).await.expect("a token");
            both.world.advance(TEN_MINUTES);
            both.world.sandbox.faults().always(GraphFault::access_denied(at));
            if let Some(scope) = lacks {
                both.world
                    .sandbox
                    .faults()
                    .always(TokenFault::MissingScope(format!("https://graph.microsoft.com/{scope}")));
            }
            let reply = both.world.reply(conversation).await;
            both.world.works().await;
            let send = both.scope.channel(both.channel.id).await.expect("answers").expect("there").send_health;
            let failure = send.failure.expect("it failed");
            assert_eq!((failure.class, send.state), (class, state), "{at:?}: {failure:?}");
            let owner = if lacks.is_some() { Actor::Owner } else { Actor::TenantAdmin };
            assert_eq!(failure.class.actor(), owner);
            assert_eq!(both.grant().await.status, GrantStatus::Active, "reading goes on");
            let waiting = both.world.delivery(&reply).await;
            assert_eq!(waiting.state, domain::message::DeliveryState::Queued, "{waiting:?}");
            assert!(both.world.sandbox.mailbox(SUPPORT).messages("Drafts").is_empty(), "{at:?}");
        }
    }
}
