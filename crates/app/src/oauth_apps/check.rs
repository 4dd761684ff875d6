//! Whether an app works, step by step: its configuration, Microsoft's documents, each credential, and a mailbox that uses it.
//!
//! A step that fails is said with its own reason; what comes after it and needs it is skipped, and never blamed.

use super::manage::OauthAppError;
use super::registry::RegisteredApp;
use crate::App;
use crate::accounts::Member;
use crate::channels::{open_mailbox, refresh};
use crate::stopwatch::Stopwatch;
use domain::{ChannelId, Failure, FailureClass, GrantId, InboxId, OauthAppId};
use oauth::Resource;
use std::time::Duration;
use store::{AccountScope, StoreError};

/// Each step's own time.
const STEP_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What was given of the app can be used: client id, authority, at least one credential.
    Config,
    /// Microsoft publishes endpoints and keys of the authority.
    Discovery,
    /// Microsoft takes the credentials.
    Token,
    /// A mailbox that uses the app opens with a token of it.
    Mailbox,
}

impl Step {
    pub const ALL: [Self; 4] = [Self::Config, Self::Discovery, Self::Token, Self::Mailbox];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Discovery => "discovery",
            Self::Token => "token",
            Self::Mailbox => "mailbox",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Failed(Failure),
    /// The step before it failed, or there is nothing to try it with.
    Skipped(&'static str),
}

#[derive(Clone, Debug)]
pub struct StepReport {
    pub step: Step,
    pub outcome: Outcome,
    pub took: Duration,
    /// Of the mailbox step: which inbox was tried.
    pub inbox: Option<InboxId>,
}

/// Of an account's own app.
pub async fn verify(app: &App, member: &Member, id: OauthAppId) -> Result<Vec<StepReport>, OauthAppError> {
    super::manage::show(member, id).await?;
    let scope = &member.scope;
    let mut steps = Steps::new(app);
    let registered = match app.microsoft_of(scope, Some(id)).await {
        Ok(registered) => registered,
        Err(StoreError::SecretUnreadable(_)) => Err(FailureClass::SecretUnreadable.into()),
        Err(error) => return Err(error.into()),
    };
    let registered = steps.report(Step::Config, registered);
    if let Some(registered) = registered {
        let active = scope.active_grant_of_oauth_app(id).await?;
        let by_a_grant = async || proved_by(app, scope, active).await;
        let answered = if steps.sign_in(&registered, by_a_grant).await {
            let tried = match scope.a_channel_of_oauth_app(id).await? {
                Some(place) => Some((probe(app, scope, place.channel_id).await, place.inbox_id)),
                None => None,
            };
            Some(tried)
        } else {
            None
        };
        match answered {
            None if steps.done.iter().any(|done| matches!(done.outcome, Outcome::Failed(_))) => {
                steps.skip(Step::Mailbox, "the step before it failed");
            }
            // Nobody was there to show whether the credentials are taken.
            None if scope.a_channel_of_oauth_app(id).await?.is_some() => {
                steps.skip(Step::Mailbox, "no inbox that uses the app is signed in");
            }
            None | Some(None) => steps.skip(Step::Mailbox, "no inbox uses the app"),
            Some(Some((outcome, inbox))) => {
                steps.report(Step::Mailbox, outcome);
                if let Some(last) = steps.done.last_mut() {
                    last.inbox = Some(inbox);
                }
            }
        }
        // What was found out of the app's credentials is the app's alarm, or its end.
        let outcome = steps.done.iter().find(|step| step.step == Step::Token).map(|step| step.outcome.clone());
        if let Some(outcome @ (Outcome::Ok | Outcome::Failed(_))) = outcome {
            let answer = if let Outcome::Failed(failure) = outcome { Err(failure) } else { Ok(()) };
            let _ = registered.heard(app, scope, answer).await;
        }
    }
    for step in Step::ALL {
        if !steps.done.iter().any(|done| done.step == step) {
            steps.skip(step, "the step before it failed");
        }
    }
    Ok(steps.done)
}

/// What a mailbox's own refresh says of the credentials, where Microsoft did not get as far as them with a code that nobody was given.
/// `None`: there is nobody to ask for.
async fn proved_by(app: &App, scope: &AccountScope, grant: Option<GrantId>) -> Option<Result<(), Failure>> {
    match refresh::newer_access_token(app, scope, grant?, Resource::Outlook).await {
        Ok(_) => Some(Ok(())),
        // That permission is over, and nothing is wrong with the app that asked for it.
        Err(failure) if oauth::errors::is_about_the_grant(&failure) => Some(Ok(())),
        Err(failure) => Some(Err(failure)),
    }
}

async fn probe(app: &App, scope: &AccountScope, channel: ChannelId) -> Result<(), Failure> {
    let tried = tokio::time::timeout(STEP_WITHIN, Box::pin(open_mailbox(app, scope, channel))).await;
    tried.unwrap_or_else(|_| Err(FailureClass::TimedOut.into()))
}

struct Steps<'a> {
    app: &'a App,
    began: Stopwatch,
    done: Vec<StepReport>,
}

impl<'a> Steps<'a> {
    fn new(app: &'a App) -> Self {
        Self { app, began: Stopwatch::start(app), done: Vec::new() }
    }

    fn report<T>(&mut self, step: Step, result: Result<T, Failure>) -> Option<T> {
        let took = self.began.elapsed(self.app);
        self.began = Stopwatch::start(self.app);
        let (outcome, value) = match result {
            Ok(value) => (Outcome::Ok, Some(value)),
            Err(failure) => (Outcome::Failed(failure), None),
        };
        self.done.push(StepReport { step, outcome, took, inbox: None });
        value
    }

    fn skip(&mut self, step: Step, why: &'static str) {
        self.done.push(StepReport { step, outcome: Outcome::Skipped(why), took: Duration::ZERO, inbox: None });
    }

    /// Documents and credentials. `true`: both are as they should be.
    ///
    /// `by_a_grant`: what a refresh says, which counts where a made-up code says nothing.
    async fn sign_in(
        &mut self,
        registered: &RegisteredApp,
        by_a_grant: impl AsyncFnOnce() -> Option<Result<(), Failure>>,
    ) -> bool {
        let app = self.app;
        let microsoft = &registered.microsoft;
        let within = async |step: &mut (dyn Future<Output = Result<(), Failure>> + Send + Unpin)| {
            tokio::time::timeout(STEP_WITHIN, step)
                .await
                .unwrap_or_else(|_| Err(FailureClass::SignInUnavailable.into()))
        };
        let documents = within(&mut Box::pin(microsoft.probe_documents())).await;
        if self.report(Step::Discovery, documents.map_err(|failure| registered.in_words(failure))).is_none() {
            self.skip(Step::Token, "the step before it failed");
            return false;
        }
        let credentials = within(&mut Box::pin(async {
            let said = microsoft.probe_credentials(app.entropy()).await?;
            // One that works is enough to go on; one that does not is in the list of the app's credentials.
            let refusals = || said.iter().filter_map(|one| one.as_ref().err());
            // A refusal is told before the one of which nothing was said.
            let clear = refusals().find(|failure| !oauth::errors::is_unread(failure));
            match clear.or_else(|| refusals().next()) {
                Some(first) if said.iter().all(Result::is_err) => Err(first.clone()),
                _ => Ok(()),
            }
        }))
        .await;
        let credentials = match credentials {
            Err(failure) if oauth::errors::is_unread(&failure) => {
                let Some(said) = by_a_grant().await else {
                    self.skip(
                        Step::Token,
                        "Microsoft says whether it takes them when a mailbox signs in, and no inbox that uses the app is signed in",
                    );
                    return false;
                };
                said
            }
            credentials => credentials,
        };
        self.report(Step::Token, credentials.map_err(|failure| registered.in_words(failure))).is_some()
    }
}

/// Of the installation's app, as `postroom doctor` asks it: without a database, and so without a mailbox.
pub async fn credentials_of(
    microsoft: &oauth::Microsoft,
    entropy: &dyn domain::Entropy,
) -> Result<Vec<Result<(), Failure>>, Failure> {
    microsoft.probe_documents().await?;
    microsoft.probe_credentials(entropy).await
}
