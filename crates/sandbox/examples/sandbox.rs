//! Starts a sandbox and prints where it is, for trying mail programs and browsers against it. Ends with Ctrl-C.

use sandbox::{Sandbox, SandboxConfig, SandboxError};

#[expect(clippy::print_stdout, reason = "printing is what this example is for")]
#[tokio::main]
async fn main() -> Result<(), SandboxError> {
    let sandbox = Sandbox::start(SandboxConfig::default()).await?;
    println!("sign-in  {}", sandbox.login_url());
    println!("customer {}", sandbox.page_url());
    println!("imap     {}", sandbox.imap_addr());
    println!("smtp     {}", sandbox.smtp_addr());
    for user in sandbox::predefined_users() {
        let token = sandbox.mint_access_token(&user.address).unwrap_or_default();
        println!("token    {} {token}", user.address);
    }
    println!("{}", sandbox.ca_pem());
    // Without a signal there is nothing to wait for; either way the sandbox stops here.
    let _ = tokio::signal::ctrl_c().await;
    sandbox.stop().await;
    Ok(())
}
