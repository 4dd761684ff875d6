//! The program as a person types it: the demo tells its story, and what cannot work is refused with a word on what to do.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// With these variables and no others, in a folder without `.env`.
fn postroom(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
    command.args(args).current_dir(folder).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

fn output(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> (Output, String) {
    let output = postroom(folder, args, variables).output().expect("the program starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_tells_its_story_and_ignores_the_databases_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"), ("REDIS_URL", "redis://127.0.0.1:1/")];
    let (output, said) = output(folder.path(), &["demo", "--tour"], &elsewhere);
    assert!(output.status.success(), "{said}");
    let steps = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(steps >= 8 && !said.contains("FAIL"), "{said}");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "it leaves nothing behind");
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_refuses_production() {
    let folder = tempfile::tempdir().unwrap();
    let (output, said) = output(folder.path(), &["demo", "--tour"], &[("POSTROOM_ENV", "production")]);
    assert!(output.status.code() == Some(1) && said.contains("POSTROOM_ENV"), "{said}");
}

#[test]
fn api_and_worker_apart_are_refused_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["serve", "work"] {
        let (output, said) = output(folder.path(), &[command], &[("POSTROOM_ENV", "development")]);
        assert!(output.status.code() == Some(1) && said.contains("postroom run"), "{said}");
    }
}

#[test]
fn a_wrong_configuration_is_told_whole_and_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["run", "serve", "work", "migrate"] {
        let (output, said) = output(folder.path(), &[command], &[("LISTEN_ADDR", "here")]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for name in ["FRONTEND_URL: ", "POSTROOM_SECRET_KEY: ", "LISTEN_ADDR: "] {
            assert!(said.contains(name), "{command} does not say {name}\n{said}");
        }
    }
    let (_, help) = output(folder.path(), &["--help"], &[]);
    assert!(help.contains("POSTROOM_SECRET_KEY") && help.contains("WORKER_CONCURRENCY"));
}

#[test]
fn the_doctor_names_what_is_wrong_with_its_cure_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (wrong, said) = output(folder.path(), &["doctor"], &[("IMPORT_DAYS", "-1")]);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    for line in ["FAIL  FRONTEND_URL", "FAIL  POSTROOM_SECRET_KEY", "-1 is out of range", "3 things are wrong."] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    // Nothing listens on port 1, so every server is told apart at once.
    let variables = [
        ("POSTROOM_ENV", "development"),
        ("DATABASE_URL", "postgres://nobody:hunter2@127.0.0.1:1/none"),
        ("REDIS_URL", "redis://127.0.0.1:1/"),
        ("MICROSOFT_LOGIN_URL", "http://127.0.0.1:1"),
        ("MICROSOFT_IMAP", "127.0.0.1:1"),
        ("MICROSOFT_SMTP", "127.0.0.1:1"),
    ];
    let (wrong, said) = output(folder.path(), &["doctor"], &variables);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    for what in ["database", "redis", "sign-in", "imap", "smtp"] {
        let line = said.lines().find(|line| line.starts_with(&format!("FAIL  {what}"))).unwrap_or_default();
        assert!(line.contains("refused"), "{what}\n{said}");
    }
    assert!(said.contains("5 things are wrong.") && !said.contains("hunter2"), "{said}");
    // Who asks for an inbox is told that nobody looked at it.
    let (wrong, said) = output(folder.path(), &["doctor", "--inbox", "7"], &variables);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(said.contains("6 things are wrong.") && said.contains("FAIL  inboxes"), "{said}");
    let (_, said) = output(folder.path(), &["doctor"], &[variables[0], variables[3], variables[4], variables[5]]);
    assert!(said.contains("postroom.sqlite3 is not there yet"), "{said}");
    const PLAIN: &str = "Microsoft takes plain http for localhost only";
    let at = |url: &'static str| {
        output(
            folder.path(),
            &["doctor"],
            &[variables[0], ("FRONTEND_URL", url), variables[3], variables[4], variables[5]],
        )
        .1
    };
    assert!(at("http://127.0.0.1:3000").contains(PLAIN) && !at("http://localhost:3000").contains(PLAIN));
    // There is no app yet: whoever registers one needs the address.
    assert!(said.contains("must have exactly ") && said.contains("/microsoft/callback"), "{said}");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "it changes nothing");
}

#[test]
fn a_proxy_that_must_be_there_and_was_not_named_is_said_by_the_doctor_and_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut variables = vec![
        ("POSTROOM_ENV", "development"),
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("FRONTEND_URL", "https://desk.example"),
        ("MICROSOFT_LOGIN_URL", "http://127.0.0.1:1"),
        ("MICROSOFT_IMAP", "127.0.0.1:1"),
        ("MICROSOFT_SMTP", "127.0.0.1:1"),
    ];
    const UNNAMED: &str = "FRONTEND_URL is https and TRUSTED_PROXIES is empty";
    // Until it serves: it is said before.
    let start = |variables: &[(&str, &str)]| {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut running = Running(postroom(folder.path(), &["run"], variables).stderr(log).spawn().unwrap());
        let read_log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        let begun = Instant::now();
        while !read_log().contains("serving") {
            let runs = running.0.try_wait().unwrap().is_none();
            assert!(begun.elapsed() < Duration::from_secs(60) && runs, "{}", read_log());
            std::thread::sleep(Duration::from_millis(20));
        }
        read_log()
    };
    let doctor = |variables: &[(&str, &str)]| output(folder.path(), &["doctor"], variables).1;
    let (said, log) = (doctor(&variables), start(&variables));
    assert!(said.contains(&format!("note  proxies        {UNNAMED}")), "{said}");
    assert!(log.contains(UNNAMED), "{log}");
    variables.push(("TRUSTED_PROXIES", "127.0.0.1"));
    let (said, log) = (doctor(&variables), start(&variables));
    assert!(said.contains("ok    proxies ") && !said.contains(UNNAMED), "{said}");
    assert!(!log.contains(UNNAMED), "{log}");
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `Max open files` as the kernel has it: soft and hard.
fn open_files(process: u32) -> Vec<String> {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    line.split_whitespace().take(2).map(str::to_owned).collect()
}

#[test]
fn a_start_raises_the_limit_of_open_files_and_says_when_it_is_not_enough() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("POSTROOM_ENV", "development"), ("LISTEN_ADDR", "127.0.0.1:0"), ("PATH", "/usr/bin:/bin")];
    let limited = |args: &[&str]| {
        let mut command = Command::new("prlimit");
        command.arg("--nofile=64:4096").arg(env!("CARGO_BIN_EXE_postroom")).args(args).current_dir(folder.path());
        command.env_clear().envs(variables).stdin(Stdio::null());
        command
    };
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut running = Running(limited(&["run"]).stderr(log).spawn().unwrap());
    let read_log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    let begun = Instant::now();
    while !read_log().contains("serving") {
        assert!(begun.elapsed() < Duration::from_secs(60) && running.0.try_wait().unwrap().is_none(), "{}", read_log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(open_files(running.0.id()), ["4096", "4096"], "{}", read_log());
    assert!(read_log().contains("4096 open files are enough for about 3794 mailboxes"), "{}", read_log());

    // The doctor's own limit stays as it is: it says what a start from here would have.
    let said = |variables: &[(&str, &str)]| {
        let mut doctor = limited(&["doctor"]);
        doctor.envs([("MICROSOFT_LOGIN_URL", "http://127.0.0.1:1"), ("MICROSOFT_IMAP", "127.0.0.1:1")]);
        doctor.env("MICROSOFT_SMTP", "127.0.0.1:1").envs(variables.iter().copied());
        String::from_utf8(doctor.output().unwrap().stdout).unwrap()
    };
    let few = said(&[]);
    assert!(few.contains("note  open files     4096 (a start raises the limit from 64)"), "{few}");
    let enough = said(&[("WORKER_MAILBOXES", "3794")]);
    assert!(enough.contains("ok    open files     4096"), "{enough}");
}

#[test]
fn a_second_serving_process_on_one_file_is_refused_commands_work_beside_the_first_and_sigterm_ends_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("POSTROOM_ENV", "development"), ("LISTEN_ADDR", "127.0.0.1:0")];
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut first = Running(postroom(folder.path(), &["run"], &variables).stderr(log).spawn().unwrap());
    let read_log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    let begun = Instant::now();
    while !read_log().contains("serving") {
        assert!(begun.elapsed() < Duration::from_secs(60) && first.0.try_wait().unwrap().is_none(), "{}", read_log());
        std::thread::sleep(Duration::from_millis(20));
    }

    let (second, said) = output(folder.path(), &["run"], &variables);
    assert!(second.status.code() == Some(1) && said.contains("another process serves"), "{said}");

    let create = [
        "account",
        "create",
        "--name",
        "N",
        "--admin-email",
        "a@b.example",
        "--admin-password",
        "long enough",
        "--json",
    ];
    let (created, said) = output(folder.path(), &create, &variables);
    assert!(created.status.success(), "{said}");
    let data = std::fs::metadata(folder.path().join("data")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o777, 0o700, "mail is nobody else's");
    let json: serde_json::Value = serde_json::from_slice(&created.stdout).expect("exactly one JSON object");
    let mut names: Vec<&String> = json.as_object().expect("an object").keys().collect();
    names.sort();
    assert_eq!(names, ["access_token", "account_id", "user_id"]);

    Command::new("kill").args(["-TERM", &first.0.id().to_string()]).status().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = first.0.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "it does not stop:\n{}", read_log());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success() && read_log().contains("rested"), "{}", read_log());
}

#[test]
fn the_openapi_document_is_printed_and_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (printed, _) = output(folder.path(), &["openapi"], &[]);
    let document: serde_json::Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with('3')));
    let (written, said) = output(folder.path(), &["openapi", "--write", "--file", "api.json"], &[]);
    assert!(written.status.success(), "{said}");
    assert!(output(folder.path(), &["openapi", "--check", "--file", "api.json"], &[]).0.status.success());
    std::fs::write(folder.path().join("api.json"), "{}").unwrap();
    let (checked, said) = output(folder.path(), &["openapi", "--check", "--file", "api.json"], &[]);
    assert!(checked.status.code() == Some(1) && said.contains("--write"), "{said}");
}
