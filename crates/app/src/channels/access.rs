//! Why a mailbox does not let somebody in, in the words of those who can mend it: a shared mailbox and a personal one are opened to us by
//! other people, at other places, than the mailbox of an organisation's own member.
//!
//! A server says the same words in all three cases; which case it is, only we know.

use domain::channel::{EmailChannel, SendTransport, Service};
use domain::{Failure, FailureClass};

/// Whose mailbox it is, seen from the person who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) service: Service,
    /// Another one than that of the person who signed in.
    pub(super) is_shared: bool,
    pub(super) send_transport: SendTransport,
}

impl Mailbox {
    pub(super) fn of(channel: &EmailChannel) -> Self {
        Self { service: channel.service, is_shared: channel.is_shared(), send_transport: channel.send_transport }
    }

    /// It could not be read.
    pub(super) fn unread(self, failure: Failure) -> Failure {
        let class = match (failure.class, self.service) {
            (FailureClass::AuthenticationRefused | FailureClass::MailboxNotConnected, Service::OutlookCom) => {
                FailureClass::PersonalAccessOff
            }
            (FailureClass::MailboxNotConnected, Service::Microsoft365) if self.is_shared => {
                FailureClass::FullAccessMissing
            }
            (class, _) => class,
        };
        Failure { class, ..failure }
    }

    /// Nothing could be sent from it.
    pub(super) fn unsent(self, failure: Failure) -> Failure {
        let class = match (failure.class, self.service) {
            (FailureClass::SmtpAuthDisabled | FailureClass::SendingRefused, Service::OutlookCom)
                if self.send_transport == SendTransport::Smtp =>
            {
                FailureClass::PersonalAccessOff
            }
            (class, _) => class,
        };
        Failure { class, ..failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_that_stays_closed_is_told_to_whoever_can_open_it() {
        let send_transport = SendTransport::Smtp;
        let unread = |service, is_shared, class: FailureClass| {
            Mailbox { service, is_shared, send_transport }.unread(class.into()).class
        };
        let (refused, closed) = (FailureClass::AuthenticationRefused, FailureClass::MailboxNotConnected);
        assert_eq!(unread(Service::Microsoft365, false, closed), closed);
        assert_eq!(unread(Service::Microsoft365, true, closed), FailureClass::FullAccessMissing);
        assert_eq!(unread(Service::Microsoft365, true, refused), refused);
        assert_eq!(unread(Service::OutlookCom, false, refused), FailureClass::PersonalAccessOff);
        assert_eq!(unread(Service::OutlookCom, false, FailureClass::TimedOut), FailureClass::TimedOut);
        let unsent = |service, class: FailureClass| {
            Mailbox { service, is_shared: false, send_transport }.unsent(class.into()).class
        };
        assert_eq!(unsent(Service::OutlookCom, FailureClass::SmtpAuthDisabled), FailureClass::PersonalAccessOff);
        assert_eq!(unsent(Service::Microsoft365, FailureClass::SmtpAuthDisabled), FailureClass::SmtpAuthDisabled);
    }
}
