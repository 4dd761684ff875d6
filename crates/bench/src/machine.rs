//! What the kernel knows of a process, a tree of processes, and this machine: CPU time, resident size, names for the report.
//!
//! Read from /proc and the clocks of processes, so the bench runs on Linux alone. Never a wall clock: that is `std::time::Instant` where latency is measured.

use anyhow::{Context, Result};
use nix::time::ClockId;
use nix::unistd::Pid;
use std::collections::{HashMap, HashSet};
use std::process::Command;
use std::time::Duration;

/// The kernel's tick of the time of children that have ended, which is 100 to the second in every Linux that is built today.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process so far, user and system, by the nanosecond, with the threads that have ended (clock_getcpuclockid(3)).
pub fn cpu_of(process: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(process)?)).context("the process is gone")?;
    Ok(clock.now()?.into())
}

pub fn cpu_of_this() -> Result<Duration> {
    cpu_of(std::process::id())
}

/// CPU time of a process, all below it, and those below it that have ended and were waited for.
pub fn cpu_of_tree(root: u32) -> Result<Duration> {
    let parents: HashMap<u32, Stat> = processes()?.into_iter().filter_map(|id| Some((id, Stat::of(id)?))).collect();
    let mut tree = HashSet::from([root]);
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(id, s)| tree.contains(&s.parent) && !tree.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if more.is_empty() {
            break;
        }
        tree.extend(more);
    }
    let mut total = Duration::ZERO;
    for id in tree {
        total += cpu_of(id).unwrap_or_default();
        total += parents.get(&id).map_or(Duration::ZERO, |stat| TICK * (stat.children_utime + stat.children_stime));
    }
    Ok(total)
}

fn processes() -> Result<Vec<u32>> {
    let names = std::fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
    Ok(names.filter_map(|name| name.to_string_lossy().parse().ok()).collect())
}

struct Stat {
    parent: u32,
    children_utime: u32,
    children_stime: u32,
}

impl Stat {
    /// proc(5): the fields after the name, which stands in parentheses and may hold anything.
    fn of(process: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
        Some(Self { parent: number(1)?, children_utime: number(13)?, children_stime: number(14)? })
    }
}

/// From now on [`testkit::process::resident`]'s highest is counted anew (proc(5), clear_refs).
pub fn forget_highest(process: u32) -> Result<()> {
    Ok(std::fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}

/// Lines that say where and on what the figures were measured.
pub fn facts() -> Vec<(&'static str, String)> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(": ")).map_or("unknown", |l| l.1);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total_kb = memory.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    vec![
        ("CPU", format!("{model}, {cores} cores, {} GiB", total_kb / 1024 / 1024)),
        ("System", said("uname", &["-sr"])),
        ("Load when it began", load),
        ("rustc", said("rustc", &["--version"])),
        ("SQLite", "compiled in, WAL, synchronous=FULL, as the product opens it".to_owned()),
        (
            "PostgreSQL",
            format!(
                "{}, fsync on, 128 MB of shared buffers",
                said("sh", &["-c", "/usr/lib/postgresql/*/bin/postgres --version || postgres --version"])
            ),
        ),
        ("Redis", said("redis-server", &["--version"]).split(' ').nth(2).unwrap_or("unknown").to_owned()),
        ("Commit", said("git", &["describe", "--always", "--dirty"])),
        ("Date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
    ]
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.ok().filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    text.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_done_here_is_seen_as_cpu_time_of_this_process_and_of_its_tree() {
        // The tree first: what runs between two looks is then in the later one.
        let tree = cpu_of_tree(std::process::id()).unwrap();
        let process = cpu_of_this().unwrap();
        let mut sum = 0u64;
        while cpu_of_this().unwrap() < process + Duration::from_millis(20) {
            sum = (0..100_000u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert!(cpu_of_tree(std::process::id()).unwrap() >= tree + Duration::from_millis(20), "{sum}");
        let (now, most) = testkit::process::resident(std::process::id()).unwrap();
        assert!(now > 1024 * 1024 && most >= now);
    }
}
