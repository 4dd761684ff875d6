//! What processes tell each other over Redis, and what each does when Redis is away.

use super::LONG;
use crate::wake::Hints;
use app::{Hint, Wake};
use domain::{AccountId, ChannelId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::redis::Redis;

#[tokio::test(flavor = "multi_thread")]
async fn processes_hear_each_others_hints_over_redis_and_not_their_own_twice() {
    let mut redis = Redis::start().unwrap();
    let (one, other) =
        (Hints::over_redis(&redis.url(), "one").unwrap(), Hints::over_redis(&redis.url(), "other").unwrap());
    let (mut own, mut heard) = (one.accounts(), other.accounts());
    for round in 0..2i64 {
        // Said again until the other listens: a hint is lost while it does not.
        let said = AccountId(round);
        let start = Instant::now();
        let mut times = 0;
        loop {
            one.wake(Hint::Account(said));
            times += 1;
            match tokio::time::timeout(Duration::from_millis(50), heard.recv()).await {
                Ok(Ok(account)) if account == said => break,
                _ => assert!(start.elapsed() < LONG, "never heard"),
            }
        }
        // A last word of the other comes back over Redis after all of ours, so ours would have come before it.
        let last = AccountId(100 + round);
        let mut own_heard = 0;
        loop {
            other.wake(Hint::Account(last));
            let mut end = false;
            while let Ok(Ok(account)) = tokio::time::timeout(Duration::from_millis(50), own.recv()).await {
                own_heard += usize::from(account == said);
                end |= account == last;
            }
            if end {
                break;
            }
            assert!(start.elapsed() < LONG, "never heard");
        }
        assert_eq!(own_heard, times);
        redis.stop();
        redis.start_again().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_named_in_one_process_is_looked_at_in_the_other() {
    let redis = Redis::start().unwrap();
    let (one, other) =
        (Hints::over_redis(&redis.url(), "one").unwrap(), Hints::over_redis(&redis.url(), "other").unwrap());
    let mut named = other.channels();
    let start = Instant::now();
    loop {
        // Said again until the other listens.
        one.wake(Hint::Channel(ChannelId(7)));
        match tokio::time::timeout(Duration::from_millis(50), named.next()).await {
            Ok(channels) => break assert_eq!(channels, [ChannelId(7)].into()),
            Err(_) => assert!(start.elapsed() < LONG, "never heard"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_to_sign_in_are_counted_for_all_processes_and_without_redis_for_each() {
    use app::accounts::{LOGIN_ATTEMPTS, LOGIN_WINDOW, LoginThrottle};
    let mut redis = Redis::start().unwrap();
    let now = domain::Timestamp::from_seconds(1_760_000_000);
    let throttles =
        [(); 2].map(|()| LoginThrottle::new(Some(Arc::new(crate::RedisCounts::new(&redis.url()).unwrap()))));
    for attempt in 0..LOGIN_ATTEMPTS as usize {
        assert_eq!(throttles[attempt % 2].attempt("ada", now).await, Ok(()));
    }
    for throttle in &throttles {
        let wait = throttle.attempt("ada", now).await.expect_err("too often, whichever process is asked");
        assert!(!wait.is_zero() && wait <= LOGIN_WINDOW, "{wait:?}");
        assert_eq!(throttle.attempt("bob", now).await, Ok(()));
    }
    throttles[0].forget("ada").await;
    assert_eq!(throttles[1].attempt("ada", now).await, Ok(()));
    redis.stop();
    for _ in 0..LOGIN_ATTEMPTS {
        assert_eq!(throttles[0].attempt("eve", now).await, Ok(()));
    }
    assert!(throttles[0].attempt("eve", now).await.is_err());
}
