//! One call of Graph, and what every call has in common: the mailbox in its path, the token, immutable ids, and a refusal understood.

use super::answers;
use domain::{EmailAddress, Failure, FailureClass, Secret};
use net::{Connector, Http, HttpAnswer, HttpRequest, Method, NetError};
use serde::de::DeserializeOwned;
use std::time::Duration;
use url::Url;

/// How long a call may take that carries no mail.
const SHORT: Duration = Duration::from_secs(60);
/// Of an answer: a draft's says all of the message.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct GraphLogin {
    /// `https://graph.microsoft.com`.
    pub base: Url,
    /// Whose mailbox, when it is not that of the one whose token it is.
    pub mailbox: Option<EmailAddress>,
    pub token: Secret,
}

/// A mailbox as one token sees it.
#[derive(Clone)]
pub struct Client {
    http: Http,
    login: GraphLogin,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("host", &self.login.base.host_str()).finish_non_exhaustive()
    }
}

impl Client {
    pub fn new(connector: &Connector, login: GraphLogin) -> Self {
        Self { http: connector.http().clone(), login }
    }

    pub(super) fn base(&self) -> &Url {
        &self.login.base
    }

    /// `…/v1.0/me/{path}` or `…/v1.0/users/{mailbox}/{path}`; each part of the path is one segment, whatever is in it.
    pub(super) fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.login.base.clone();
        let no_base = || Failure::new(FailureClass::AppMisconfigured).detail("the address of Microsoft Graph");
        let mut segments = url.path_segments_mut().map_err(|()| no_base())?;
        segments.pop_if_empty().push("v1.0");
        match &self.login.mailbox {
            None => segments.push("me"),
            Some(mailbox) => segments.extend(["users", mailbox.as_str()]),
        };
        segments.extend(path);
        drop(segments);
        Ok(url)
    }

    pub(super) fn request(&self, method: Method, url: Url) -> HttpRequest {
        HttpRequest::new(method, url, Vec::new())
            .header("authorization", format!("Bearer {}", self.login.token.expose()))
            .header("prefer", "IdType=\"ImmutableId\"")
            .header("accept", "application/json")
            .read_at_most(LONGEST_ANSWER)
            .within(SHORT)
    }

    /// Whatever it is answered.
    pub(super) async fn ask(&self, request: HttpRequest) -> Result<HttpAnswer, NetError> {
        self.http.send(request).await
    }

    /// A success, or what the refusal means.
    pub(super) async fn done(&self, request: HttpRequest) -> Result<HttpAnswer, Failure> {
        let answer = self.ask(request).await.map_err(|error| error.failure())?;
        if answer.is_success() { Ok(answer) } else { Err(answers::not_done(&answer)) }
    }

    /// A success that says what was asked for.
    pub(super) async fn told<T: DeserializeOwned>(&self, request: HttpRequest) -> Result<T, Failure> {
        let answer = self.done(request).await?;
        answer.json().map_err(|_| answers::says_nothing(&answer))
    }
}
