//! `GET …/events`: what happens in an account, as server-sent events, for as long as somebody listens.
//!
//! Each event's id is its number in the account, so a client that was away names the last one it saw and misses nothing. Who may see what
//! is decided in `app::live`, event by event; here it is only written down.

use crate::auth::Auth;
use crate::error::{Answers, Problem, Refusal};
use crate::shape::SignedLinks;
use crate::tags::Tag;
use app::App;
use app::attachments;
use app::live::{self, FollowError, LiveEvent, LiveStream, News, Passed};
use bytes::{BufMut as _, Bytes, BytesMut};
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, OpenApi};
use serde_json::Value;
use std::time::Duration;

pub struct EventsApi;

/// Clients come back after so long, and up to as much longer again: not all at once to a process that has just begun.
const COME_BACK_AFTER_MS: f64 = 1000.0;

/// Following what happens.
#[derive(Debug)]
pub struct Following;
impl Answers for Following {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 429, 500, 503];
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::TooMany => Self {
                retry_after: Some(Duration::from_secs(60)),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_streams",
                    format!("One person may follow {} streams at a time", live::STREAMS_OF_A_PERSON),
                )
            },
            FollowError::Full => Self::unavailable(&"no more streams are taken here"),
            FollowError::Store(error) => error.into(),
        }
    }
}

/// A stream of events, until either side ends it.
pub struct EventStream(Body);

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type("text/event-stream").body(self.0);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        // nginx hands on what there is instead of waiting for more.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        response
    }
}

impl ApiResponse for EventStream {
    fn meta() -> MetaResponses {
        let events = MetaMediaType { content_type: "text/event-stream", schema: String::schema_ref() };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Server-sent events, without end.",
                status: Some(200),
                status_range: None,
                content: vec![events],
                headers: vec![],
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

#[OpenApi(tag = "Tag::Events")]
impl EventsApi {
    /// Follow what happens, live
    ///
    /// Server-sent events. `event` is the name (`message.created`), `data` one JSON object as Chatwoot's websocket has it in `data`, `id`
    /// the event's number in the account. First comes `ready`, with the number after which the stream tells everything; after a break,
    /// name the last id that you have seen and nothing is missed. `reset` instead means that it was too long ago: read everything anew.
    /// Something is said every 15 seconds at least.
    #[oai(path = "/api/v1/accounts/:account_id/events", method = "get", operation_id = "follow_events")]
    async fn follow(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// The id of the last event that was seen, as browsers send it when they come back.
        #[oai(name = "Last-Event-ID", validator(minimum(value = "0")))]
        seen: Header<Option<i64>>,
        /// The same, for a first request. The header goes before it.
        #[oai(validator(minimum(value = "0")))]
        last_event_id: Query<Option<i64>>,
    ) -> Result<EventStream, Refusal<Following>> {
        let member = auth.enter(account_id.0).await?;
        let app = auth.app().clone();
        let stream = live::follow(&app, &member, seen.0.or(last_event_id.0)).await.map_err(Problem::from)?;
        Ok(EventStream(body(app, stream)))
    }
}

/// What has been said so far.
struct Teller {
    app: App,
    stream: LiveStream,
    /// The id that the client has seen last.
    told: i64,
    is_over: bool,
}

fn body(app: App, stream: LiveStream) -> Body {
    let teller = Teller { app, stream, told: -1, is_over: false };
    Body::from_bytes_stream(futures_util::stream::unfold(teller, |mut teller| async move {
        if teller.is_over {
            return None;
        }
        let text = match teller.stream.next().await {
            Some(news) => teller.tell(news).await,
            None => None,
        };
        teller.is_over = text.is_none();
        let text = text.unwrap_or_else(|| Bytes::from_static(b": come back\n\n"));
        Some((Ok::<_, std::io::Error>(text), teller))
    }))
}

impl Teller {
    async fn tell(&mut self, news: News) -> Option<Bytes> {
        match news {
            News::Ready { seq } => Some(self.begin("ready", seq)),
            News::Reset { seq } => Some(self.begin("reset", seq)),
            News::Beat { seq } => Some(self.beat(seq)),
            News::Passing(passed) => Some(passing(self.stream.scope().account_id(), &passed)),
            News::Events(events) => {
                let signer = attachments::signer(&self.app, self.stream.scope()).await;
                let links = SignedLinks::of(signer.inspect_err(|error| tracing::warn!(%error, "a stream ends")).ok()?);
                let account = self.stream.scope().account_id();
                let mut text = BytesMut::new();
                for event in events {
                    self.told = event.event.seq;
                    text.extend_from_slice(&shown(account, &event, &links));
                }
                Some(text.freeze())
            }
        }
    }

    fn begin(&mut self, name: &str, seq: i64) -> Bytes {
        self.told = seq;
        let wait = COME_BACK_AFTER_MS * (1.0 + self.app.jitter());
        Bytes::from(format!("retry: {wait:.0}\nevent: {name}\nid: {seq}\ndata: {{\"seq\":{seq}}}\n\n"))
    }

    /// Where there were events that the client may not see, it learns how far it is all the same: it comes back there.
    fn beat(&mut self, seq: i64) -> Bytes {
        if std::mem::replace(&mut self.told, seq) == seq {
            Bytes::from_static(b": still here\n\n")
        } else {
            Bytes::from(format!(": still here\nid: {seq}\n\n"))
        }
    }
}

fn passing(account: domain::AccountId, passed: &Passed) -> Bytes {
    let (name, data) = match passed {
        Passed::Typing { conversation, user, name, on, is_private, .. } => {
            wire::push::typing(account, *conversation, (*user, name), *on, *is_private)
        }
        Passed::Viewing { conversation, people, .. } => wire::push::viewing(account, *conversation, people),
        Passed::Presence(people) => wire::push::presence(account, people),
    };
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

fn shown(account: domain::AccountId, event: &LiveEvent, links: &SignedLinks) -> Bytes {
    event.shown(|event| {
        let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
        let data = wire::push::data(&event.kind, account, &payload, links);
        let name = wire::push::name(&event.kind);
        let mut text = BytesMut::new();
        // A name is one of ours, and JSON has no line ends: nothing can break out of its line.
        text.put_slice(format!("event: {name}\nid: {}\ndata: {data}\n\n", event.seq).as_bytes());
        text.freeze()
    })
}
