//! The pages of a sign-in that waits for an administrator: of the Microsoft tenant, whose own page for that leads nowhere, or of the account here.
//! They say what to do, and go on by themselves when something happens.

use crate::connection_pages::status_path;
use crate::failure_page::FOR_SUPPORT;
use crate::help;
use crate::html::{Page, Tone};
use domain::{Failure, Timestamp};

/// How often a page that waits for people asks again.
const LOOK_SECONDS: u32 = 15;

const ASK: &str = "My organisation wants an administrator's approval";

pub fn at_microsoft(follow: &str, token: &str) -> Page {
    Page::new("You are signing in at Microsoft", Tone::Waiting)
        .refreshing_at(LOOK_SECONDS, &status_path(follow))
        .text("Finish signing in on Microsoft's page; this one follows by itself.")
        .text("Does Microsoft say that it needs an administrator's approval? That page leads nowhere from there. Say so here, and this sign-in waits for it.")
        .form("/microsoft/callback/approval", &[("token", token)], ASK)
}

/// Below a failure that an approval may mend.
pub fn ask_approval(page: Page, token: &str) -> Page {
    page.text(
        "Did Microsoft ask for an administrator? Then this sign-in can wait for their approval, for up to a week.",
    )
    .form("/microsoft/callback/approval", &[("token", token)], ASK)
}

/// `own`: the state to follow, and the token of the button.
pub fn awaiting_approval(
    account: &str,
    admin_consent_url: Option<&str>,
    came_back: bool,
    until: Timestamp,
    own: (&str, &str),
) -> Page {
    let (follow, token) = own;
    let mut page = Page::new("Waiting for an administrator's approval", Tone::Waiting)
        .refreshing_at(LOOK_SECONDS, &status_path(follow))
        .text("Your Microsoft 365 organisation lets its people use this application only after an administrator has approved it, once for all.")
        .fact("Account", account)
        .fact("Who must act", "An administrator of your Microsoft 365 organisation.")
        .fact("Waits until", &day(until));
    if let Some(url) = admin_consent_url {
        page = page.address("Send this link to an administrator. It approves the application and nothing else:", url);
    }
    page = if came_back {
        page.text("Somebody came back from the approval page. Whether the approval stands shows when you sign in.")
    } else {
        page.text("Have they told you that it is done? Then go on. This page may be closed meanwhile; it is found again under its address in this browser.")
    };
    page.form("/microsoft/callback/go_on", &[("token", token)], "Go on and sign in")
}

/// `failure`: why somebody of the account is asked.
pub fn awaiting_administrator(account: &str, failure: &Failure, until: Timestamp, follow: &str) -> Page {
    let class = failure.class;
    Page::new("Waiting for an administrator's yes", Tone::Waiting)
        .refreshing_at(LOOK_SECONDS, &status_path(follow))
        .text(class.text())
        .fact("Account", account)
        .fact("Who must act", "An administrator of this account: the sign-in waits for them in Settings → Inboxes.")
        .fact("What to do", class.cure())
        .fact("Waits until", &day(until))
        .text("You need not sign in again. This page may be closed meanwhile; it is found again under its address in this browser.")
        .second("How it goes on, step by step", &help::path_of(class))
        .heading(FOR_SUPPORT)
        .fact("Code", class.code())
}

/// A day, in universal time.
fn day(at: Timestamp) -> String {
    at.to_iso().chars().take(10).collect()
}

pub fn consent_returned(declined: bool) -> Page {
    if declined {
        return Page::new("The approval was not given", Tone::Bad)
            .text("You came back from Microsoft's approval page without approving the application.")
            .fact("Who must act", "An administrator of your Microsoft 365 organisation.")
            .fact(
                "What to do",
                "Open the approval link again and accept, or tell the person who asked that it stays like this.",
            );
    }
    Page::new("Thank you", Tone::Good)
        .text("You came back from Microsoft's approval page. Whether the approval stands shows at the next sign-in.")
        .fact("Who must act", "The person whose mailbox it is.")
        .fact(
            "What to do",
            "Go on from the page that is waiting, from the link they were sent, or from the inbox settings.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_that_waits_gives_the_approval_link_and_one_button_and_escapes_what_it_shows() {
        let until = Timestamp::from_seconds(1_760_000_000);
        let url = Some("https://login.example/adminconsent?x=1&y=2");
        let html = awaiting_approval("Contoso <b>", url, false, until, ("state", "s.t")).render();
        for told in [
            "Contoso &lt;b&gt;",
            "adminconsent?x=1&amp;y=2",
            "2025-10-09",
            "/microsoft/callback/go_on",
            "/microsoft/connections/state",
        ] {
            assert!(html.contains(told), "{told}: {html}");
        }
        assert_eq!(html.matches("<form").count(), 1);
        let back = awaiting_approval("Contoso", None, true, until, ("state", "s.t")).render();
        assert!(back.contains("Whether the approval stands shows when you sign in"), "{back}");
    }

    #[test]
    fn the_page_that_waits_for_the_help_desk_follows_and_asks_nobody_to_begin_anew() {
        let failure = domain::FailureClass::AddressUnvouched.into();
        let html =
            awaiting_administrator("Contoso <b>", &failure, Timestamp::from_seconds(1_760_000_000), "state").render();
        for told in ["Contoso &lt;b&gt;", "2025-10-09", "/microsoft/connections/state", "address_unvouched"] {
            assert!(html.contains(told), "{told}: {html}");
        }
        assert!(!html.contains("start again") && !html.contains("<form"), "{html}");
    }

    #[test]
    fn whoever_is_at_microsoft_can_say_that_an_administrator_is_wanted() {
        let html = at_microsoft("state", "s.t").render();
        assert!(html.contains("/microsoft/callback/approval") && html.contains("value=\"s.t\""), "{html}");
    }
}
