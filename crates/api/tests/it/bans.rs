//! Holds the bans of `clippy.toml` that stand for this crate: a path there that names nothing bans nothing, and says so nowhere. Here each is
//! broken once and expected to be noticed, so that clippy itself complains when a ban stops working.

#[test]
fn what_leaks_is_banned() {
    #[expect(clippy::disallowed_methods, reason = "the ban itself is what is tried")]
    let leaking: fn(std::io::Error) -> poem::Error = poem::error::InternalServerError;
    let error = leaking(std::io::Error::other("secret"));
    assert!(error.to_string().contains("secret"), "it would be told to the client");
}
