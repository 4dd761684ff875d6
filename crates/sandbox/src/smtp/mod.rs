//! (being built)
use crate::state::State;
use std::sync::Arc;
use tokio::net::TcpListener;
pub(crate) async fn serve(_state: Arc<State>, _listener: TcpListener) {
    todo!()
}
pub(crate) const AUTH_REFUSED: &str = "535 5.7.3 Authentication unsuccessful [SBX0000CA0018.namprd00.prod.outlook.com]";
pub(crate) const AUTH_OFF_TENANT: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. [SBX0000CA0018.namprd00.prod.outlook.com]";
pub(crate) const TOO_MANY_CONNECTIONS: &str = "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=SBX0000MB0001.namprd00.prod.outlook.com]";
pub(crate) const SEND_AS_DENIED: &str = "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
