//! A browser just big enough to sign in: follows redirects, fills in the sign-in page's forms, and stops where the
//! browser would leave for the app.
//!
//! It uses the public pages and nothing else, so that whoever signs in with it has tested them.

/// What the person does on the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Chooses the account and accepts what is asked.
    Accept,
    /// As `Accept`, and as an administrator for the whole organisation.
    AcceptForOrganization,
    /// Chooses the account and declines the permissions.
    Decline,
    /// Cancels on the first page.
    Cancel,
    /// On "Need admin approval": returns to the app without consent.
    ReturnWithoutConsent,
}

/// Where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// Microsoft sends the browser here.
    Redirect(String),
    /// A page without a redirect, such as "Need admin approval" or an error page.
    Page { title: String, text: String },
}

/// Why a sign-in did not come to a redirect.
#[derive(Debug)]
pub enum SignInError {
    Io(std::io::Error),
    /// The pages were not what a browser can use.
    Confused(String),
    /// A page without a redirect was the end.
    Stopped {
        title: String,
        text: String,
    },
}

impl std::fmt::Display for SignInError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the sign-in service could not be reached: {error}"),
            Self::Confused(what) => write!(f, "the sign-in page could not be used: {what}"),
            Self::Stopped { title, text } => write!(f, "the sign-in stopped at the page \"{title}\": {text}"),
        }
    }
}

impl std::error::Error for SignInError {}

pub(crate) async fn answer_sign_in(_url: &str, _user: &str, _answer: Answer) -> Result<SignedIn, SignInError> {
    todo!()
}
