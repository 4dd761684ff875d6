//! How often the API may be called (S7, A4), where processes and addresses matter. What a refusal costs and whom it concerns is told in the
//! api crate's tests; here processes share the limit over Redis, or have lost it, and a proxy stands in front, or somebody pretends so.

use anyhow::{Context, Result, bail};
use app::system::SystemClock;
use domain::Clock as _;
use testkit::chaos::{ChaosProxy, Mode};
use testkit::client::ApiClient;
use testkit::world::{Database, Queue, Setup, World};

const LIMIT: usize = 200;
/// Each process may let through a tenth of the limit more, before it knows of the others' calls.
const WITH_REDIS: std::ops::RangeInclusive<usize> = LIMIT..=LIMIT + 2 * LIMIT / 10;

fn minute() -> i64 {
    SystemClock.now().seconds().div_euclid(60)
}

fn redis(w: &World) -> Result<&ChaosProxy> {
    w.proxies.as_ref().and_then(|proxies| proxies.redis.as_ref()).context("a proxy before Redis")
}

/// Somebody new calls all processes in turn until each refuses, within one minute. How many calls were answered.
async fn answered_to_somebody_new(w: &World, processes: &[ApiClient], name: &str) -> Result<usize> {
    for round in 0..10 {
        let account = w.create_account(name, &format!("{name}-{round}@tenant.example"))?;
        let token = account["access_token"].as_str().context("access_token")?;
        let processes: Vec<ApiClient> = processes.iter().map(|process| process.with_token(Some(token))).collect();
        let (began, mut answered) = (minute(), 0);
        loop {
            let mut refused = 0;
            for process in &processes {
                let answer = process.call("GET", "/api/v1/profile", None).await?;
                match answer.status {
                    200 => answered += 1,
                    429 => {
                        refused += 1;
                        assert!(answer.retry_after.is_some_and(|wait| (1..=60).contains(&wait)), "{}", answer.text);
                    }
                    status => bail!("{status}: {}", answer.text),
                }
            }
            if refused == processes.len() {
                break;
            }
        }
        if minute() == began {
            return Ok(answered);
        }
    }
    bail!("no minute was long enough")
}

/// Until the processes are seen to share one limit: on a busy machine an answer of Redis that comes late lets them count alone for a while.
async fn shared(w: &World, processes: &[ApiClient], name: &str) -> Result<()> {
    let mut seen = Vec::new();
    while seen.len() < 20 {
        let answered = answered_to_somebody_new(w, processes, &format!("{name}-{}", seen.len())).await?;
        if WITH_REDIS.contains(&answered) {
            return Ok(());
        }
        seen.push(answered);
    }
    bail!("the limit is not shared, {name}: {seen:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_the_limit_over_redis_and_each_has_its_own_while_redis_is_away() -> Result<()> {
    let setup =
        Setup::on(Database::Postgres, Queue::Redis).through_proxies().with("RACK_ATTACK_LIMIT", &LIMIT.to_string());
    World::run(setup, async |w| {
        let other = w.start_another_api(&[]).await?;
        let processes = [w.api.clone(), other];
        shared(w, &processes, "together").await?;
        assert_eq!(w.api.call("GET", "/api/v1/profile", None).await?.status, 200, "another tenant does not wait");

        for (mode, name) in [(Mode::Cut, "cut"), (Mode::Stall, "stalled")] {
            redis(w)?.set(mode);
            let alone = answered_to_somebody_new(w, &processes, name).await?;
            assert!((LIMIT..=2 * LIMIT).contains(&alone), "{name}: {alone}");
            assert!(alone > *WITH_REDIS.end(), "{name}: {alone} is the limit of one process");
            redis(w)?.set(Mode::Pass);
            // They find it again by themselves.
            shared(w, &processes, &format!("after-{name}")).await?;
        }
        Ok(())
    })
    .await
}

/// How many of forty calls of a stranger were answered. Each says that it comes from where `from` says.
async fn answered_to_strangers(w: &World, from: impl Fn(usize) -> String) -> Result<usize> {
    let mut answered = 0;
    for n in 0..40 {
        let asked =
            w.api.with_token(None).request("GET", "/microsoft/connections/x").header("x-forwarded-for", from(n));
        answered += usize::from(w.api.send(asked).await?.status == 404);
    }
    Ok(answered)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invented_forwarding_header_is_no_other_address() -> Result<()> {
    World::run(Setup::default().with("RACK_ATTACK_LIMIT", "100"), async |w| {
        w.api.get("/api/v1/profile").await?;
        let answered = answered_to_strangers(w, |n| format!("192.0.2.{n}")).await?;
        assert!(answered < 40, "a header lets a stranger be anybody");
        let known = w.api.call("GET", "/api/v1/profile", None).await?;
        assert_eq!(known.status, 200, "who is known does not wait for strangers: {}", known.text);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_behind_a_proxy_that_was_named_are_counted_apart() -> Result<()> {
    let setup = Setup::default().with("RACK_ATTACK_LIMIT", "100").with("TRUSTED_PROXIES", "127.0.0.0/8");
    World::run(setup, async |w| {
        let one = answered_to_strangers(w, |n| format!("198.51.100.{n}, 192.0.2.1")).await?;
        assert!(one < 40, "what stands before the proxy's own word is anybody's invention");
        let network = answered_to_strangers(w, |n| format!("2001:db8:1:2::{n:x}")).await?;
        assert!(network < 40, "a network of IPv6 is one place");
        assert_eq!(answered_to_strangers(w, |n| format!("198.51.100.{n}")).await?, 40);
        Ok(())
    })
    .await
}
