//! A failure as a page: what happened, the reason, who must act, and what to click.

use crate::help;
use crate::html::{Page, Tone};
use domain::{Actor, Failure, FailureClass};
use poem::http::StatusCode;

/// Above what says nothing to the person, and something to whoever they ask.
pub const FOR_SUPPORT: &str = "For whoever helps you";

/// `approval`: where an administrator of the Microsoft tenant approves the application.
pub fn page(failure: &Failure, approval: Option<&str>) -> Page {
    page_with(failure, approval, |page| page)
}

/// `ways`: what else there is to click. First what to do, then the buttons, and last what only whoever helps wants to know.
pub fn page_with(failure: &Failure, approval: Option<&str>, ways: impl FnOnce(Page) -> Page) -> Page {
    let class = failure.class;
    let mut page = Page::new("The mailbox could not be connected", Tone::Bad)
        .status(status(class))
        .text(class.text())
        .fact("Who must act", who(class.actor()))
        .fact("What to do", class.cure());
    page = match class {
        // They say nothing else.
        FailureClass::StateUnknown | FailureClass::StateExpired => page,
        _ => page.text(
            "To start again, open the link that you were sent once more, or sign in again in the inbox's settings.",
        ),
    };
    page = ways(page);
    if let Some(url) = approval {
        page = page.address("A Microsoft 365 administrator approves the application with this link:", url);
    }
    page = page.second("How to mend it, step by step", &help::path_of(class)).heading(FOR_SUPPORT);
    page = page.fact("Code", class.code());
    if let Some(detail) = &failure.detail {
        page = page.fact("Reason", detail);
    }
    if let Some(said) = &failure.server_said {
        page = page.fact("The server said", said);
    }
    if let Some(id) = &failure.correlation_id {
        page = page.fact("Correlation id", id);
    }
    page
}

pub const fn who(actor: Actor) -> &'static str {
    match actor {
        Actor::Nobody => "Nobody: it mends itself.",
        Actor::Owner => "You, the person whose mailbox it is.",
        Actor::TenantAdmin => "An administrator of your Microsoft 365 organisation.",
        Actor::Operator => "Whoever runs this Postroom installation.",
        Actor::Agent => "The agent who wrote the message.",
    }
}

/// What went wrong at the other end is 502 or 503; what the visitor brought, or did not, is 4xx.
const fn status(class: FailureClass) -> StatusCode {
    match class {
        FailureClass::StateUnknown => StatusCode::NOT_FOUND,
        FailureClass::StateExpired | FailureClass::ConnectLinkOver => StatusCode::GONE,
        FailureClass::OtherBrowser
        | FailureClass::OtherPrincipal
        | FailureClass::UnexpectedAccount
        | FailureClass::AddressUnvouched
        | FailureClass::WrongAccount
        | FailureClass::AccountSuspended => StatusCode::FORBIDDEN,
        FailureClass::MailboxAlreadyConnected | FailureClass::InboxLimitReached => StatusCode::CONFLICT,
        _ => match class.actor() {
            Actor::Nobody => StatusCode::SERVICE_UNAVAILABLE,
            Actor::Owner | Actor::TenantAdmin | Actor::Agent => StatusCode::UNPROCESSABLE_ENTITY,
            Actor::Operator => StatusCode::BAD_GATEWAY,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_says_what_happened_who_must_act_and_what_to_do() {
        for class in FailureClass::ALL {
            let failure = Failure::new(*class).detail("why <b>").said("550 <no>");
            let html = page(&failure, None).render();
            assert!(html.contains("Who must act") && html.contains("What to do"), "{}", class.code());
            assert!(html.contains("why &lt;b&gt;") && html.contains("550 &lt;no&gt;"), "{}", class.code());
        }
    }

    #[test]
    fn what_to_do_comes_first_then_what_to_click_and_last_what_support_asks_for() {
        let failure = Failure::new(FailureClass::SignInCancelled).detail("the reason").correlation("the id");
        let approval = Some("https://login.example/adminconsent");
        let html = page_with(&failure, approval, |page| page.form("/a", &[], "Press this")).render();
        let told =
            ["What to do", "To start again", "Press this", "adminconsent", "step by step", "the reason", "the id"];
        let places = told.map(|words| html.find(words));
        assert!(places.is_sorted() && places[0].is_some(), "{html}");
    }
}
