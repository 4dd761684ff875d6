//! `GET /help/{code}`: what a failure means to whoever must act, step by step, and `GET /help`: all of them.
//!
//! The texts are docs/help/*.md, built into the program, so that a mail about a failure can link to a page that is there. No page holds
//! anything of an account: they are for people who have none here.

use crate::failure_page::who;
use crate::html::{Page, Tone};
use crate::prose;
use domain::{Actor, FailureClass};
use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};

include!(concat!(env!("OUT_DIR"), "/help.rs"));

/// Where the failure is explained. Every class has a page.
pub fn path_of(class: FailureClass) -> String {
    format!("/help/{}", class.code())
}

fn text_of(class: FailureClass) -> Option<&'static str> {
    TEXTS.iter().find(|(code, _)| *code == class.code()).map(|(_, text)| *text)
}

#[handler]
pub fn show(Path(code): Path<String>) -> Response {
    match FailureClass::parse(&code) {
        Some(class) => page(class).into_response(),
        None => Page::new("There is no such page", Tone::Bad)
            .status(StatusCode::NOT_FOUND)
            .text("No failure is known by this code.")
            .link("All of them", "/help")
            .into_response(),
    }
}

#[handler]
pub fn list() -> Response {
    let mut page = Page::new("When something does not work", Tone::Waiting)
        .text("Every failure has a code. Here is what each means, by who can mend it.");
    for actor in [Actor::Owner, Actor::TenantAdmin, Actor::Operator, Actor::Agent, Actor::Nobody] {
        page = page.heading(who(actor));
        for class in FailureClass::ALL.iter().filter(|class| class.actor() == actor) {
            page = page.entry(class.text(), &path_of(*class), class.code());
        }
    }
    page.into_response()
}

fn page(class: FailureClass) -> Page {
    let prose = prose::read(text_of(class).expect("a test holds that each failure has its text"));
    Page::new(&prose.title, Tone::Waiting).prose(&prose).fact("Code", class.code()).link("All of them", "/help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_person_may_see_is_written_down_for_them() {
        // Also what an agent mends, and what mends itself: who meets it wants to know that they need do nothing.
        let unwritten: Vec<&str> =
            FailureClass::ALL.iter().filter(|class| text_of(**class).is_none()).map(|class| class.code()).collect();
        assert!(unwritten.is_empty(), "docs/help lacks {unwritten:?}");
        for (code, text) in TEXTS {
            let class = FailureClass::parse(code);
            assert!(class.is_some(), "docs/help/{code}.md explains no failure");
            let prose = prose::read(text);
            assert!(!prose.title.is_empty(), "docs/help/{code}.md has no title");
            for section in ["What happened", "Who can mend it", "What to do", "How to see that it works"] {
                assert!(prose.html.contains(&format!("<h2>{section}</h2>")), "docs/help/{code}.md lacks {section:?}");
            }
        }
    }

    #[test]
    fn every_class_has_a_page_with_its_code() {
        for class in FailureClass::ALL {
            let html = page(*class).render();
            assert!(html.contains(class.code()) && !html.contains("<script"), "{}", class.code());
        }
    }
}
