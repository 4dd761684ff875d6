//! The agents' page (D1, D2): its types, its rules, and what people do on it in a real browser, told in `dashboard/e2e` against the program itself.
//!
//! Each story starts its own demo, and Chromium. Never a check of how something looks: that is for eyes.

use crate::tidy::root;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use testkit::world::binary;

/// One at a time: packages are installed once, and a browser wants the machine.
static TURN: Mutex<()> = Mutex::new(());

fn dashboard() -> PathBuf {
    root().join("dashboard")
}

/// The build brings what it needs itself; Chromium's driver and the checker of types are for tests alone.
fn install() -> Result<()> {
    if dashboard().join("node_modules/playwright-core").exists() {
        return Ok(());
    }
    run("npm", &["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dashboard())
        .env("POSTROOM_BINARY", binary()?)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} does not start: is it installed? scripts/install looks"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}:\n{said}", arguments.join(" "));
    Ok(())
}

fn told_in_chromium(story: &str) -> Result<()> {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    install()?;
    run("node", &["--test", "--test-timeout=600000", &format!("e2e/{story}.test.mjs")])
}

#[test]
fn the_page_fits_the_documents_types_and_its_rules_hold() -> Result<()> {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    install()?;
    run("npm", &["run", "check"])?;
    run("npm", &["test"])
}

#[test]
fn an_agents_day_passes_by_mouse_and_by_keyboard_alone() -> Result<()> {
    told_in_chromium("an-agents-day")
}

#[test]
fn hostile_mail_does_nothing_in_the_page_and_calls_nobody() -> Result<()> {
    told_in_chromium("hostile-mail")
}

#[test]
fn two_browsers_see_each_others_work_and_outlive_a_restart_and_a_mailbox_is_connected() -> Result<()> {
    told_in_chromium("together")
}

#[test]
fn what_goes_wrong_at_the_mailbox_is_told_with_its_cure_and_mended_from_the_page() -> Result<()> {
    told_in_chromium("what-goes-wrong")
}

#[test]
fn somebody_is_invited_chooses_a_password_with_the_link_and_works() -> Result<()> {
    told_in_chromium("people")
}

#[test]
fn conversations_are_found_viewed_begun_swept_merged_and_deleted_and_a_long_list_stays_light() -> Result<()> {
    told_in_chromium("the-list")
}

#[test]
fn webhooks_the_account_and_what_one_is_told_of_are_set_on_the_page() -> Result<()> {
    told_in_chromium("settings")
}

#[test]
fn every_page_is_clean_to_axe_in_both_lights_and_light_enough() -> Result<()> {
    told_in_chromium("every-page")
}

#[test]
fn an_account_signs_in_through_an_app_of_its_own_which_is_verified_and_whose_credentials_are_replaced() -> Result<()> {
    told_in_chromium("oauth-apps")
}

#[test]
fn a_link_is_made_followed_and_withdrawn_and_somebody_without_an_account_connects_with_it() -> Result<()> {
    told_in_chromium("connect-links")
}

#[test]
fn approvals_handovers_shared_mailboxes_and_the_way_of_sending_are_seen_to_on_the_page() -> Result<()> {
    told_in_chromium("connecting")
}

#[test]
fn a_mailbox_that_does_not_work_is_told_of_looked_at_step_by_step_and_remembered() -> Result<()> {
    told_in_chromium("health")
}
