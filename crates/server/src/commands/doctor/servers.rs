//! The servers outside: whether they can be reached, are who they say, and speak as expected. Nobody signs in.

use super::{PATIENCE, Report};
use crate::config::Config;
use app::SystemMailer;
use app::system::SystemClock;
use domain::Clock;
use net::{Connector, Endpoint};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use url::Url;

/// Tokens are refused when the clocks differ by more than five minutes (the usual allowance for JWT).
pub(super) const WORST_SKEW_SECONDS: i64 = 60;
const LONGEST_LINE_BYTES: u64 = 4096;

/// The discovery document of the authority, and, from its Date, how our clock stands to Microsoft's.
pub(super) async fn sign_in(connector: &Connector, config: &Config, report: &mut Report) {
    const WHAT: &str = "sign-in";
    let host = config.microsoft.login_url.as_str().trim_end_matches('/').to_owned();
    let address = format!("{host}/{}/v2.0/.well-known/openid-configuration", config.microsoft.authority);
    let Ok(url) = Url::parse(&address) else {
        report.fail(WHAT, &format!("{address} is no URL"), "Correct MICROSOFT_LOGIN_URL and AZURE_TENANT.");
        return;
    };
    let begun = Instant::now();
    let answer = match connector.http().get(&url).await {
        Ok(answer) => answer,
        Err(error) => {
            let cure = format!(
                "Check name resolution, the firewall (port {} outwards), and EXTRA_CA_FILE where a proxy opens TLS.",
                url.port_or_known_default().unwrap_or(443)
            );
            report.fail(WHAT, &format!("{host}: {error}"), &cure);
            return;
        }
    };
    let issuer =
        answer.json::<serde_json::Value>().ok().and_then(|document| Some(document.get("issuer")?.as_str()?.to_owned()));
    match issuer {
        Some(issuer) if answer.is_success() => {
            report.ok(WHAT, &format!("{host} answers in {} ms; issuer {issuer}", begun.elapsed().as_millis()));
        }
        _ => report.fail(
            WHAT,
            &format!("{host} answers {} and no discovery document", answer.status),
            "Correct AZURE_TENANT (does that tenant exist?) and MICROSOFT_LOGIN_URL.",
        ),
    }
    clock(answer.header("date"), report);
}

fn clock(date: Option<&str>, report: &mut Report) {
    let Some(theirs) = date.and_then(http_date_seconds) else {
        report.note("clock", "the sign-in host does not say its time");
        return;
    };
    let skew = SystemClock.now().seconds() - theirs;
    if skew.abs() <= WORST_SKEW_SECONDS {
        report.ok("clock", &format!("within {WORST_SKEW_SECONDS} s of the sign-in host's"));
    } else {
        let found = format!("{} s {} the sign-in host's", skew.abs(), if skew > 0 { "ahead of" } else { "behind" });
        report.fail("clock", &found, "Set the clock (NTP): tokens are refused when it is wrong.");
    }
}

/// `Sat, 21 Nov 2026 04:00:00 GMT` (RFC 9110 §5.6.7) as seconds since 1970.
fn http_date_seconds(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut time = words.next()?.split(':').map(str::parse::<i64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    // Days from civil, after Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": March is the first month of its year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// TLS and the greeting.
pub(super) async fn imap(connector: &Connector, endpoint: &Endpoint, report: &mut Report) {
    let greeted = async {
        let stream = connector.tls(endpoint).await.map_err(|error| error.to_string())?;
        let greeting = line(&mut BufReader::new(stream)).await?;
        if greeting.starts_with("* OK") { Ok(()) } else { Err(format!("it greets with {greeting:?}")) }
    };
    said(report, "imap", endpoint, "MICROSOFT_IMAP", greeted).await;
}

/// The greeting, STARTTLS, and TLS.
pub(super) async fn smtp(connector: &Connector, endpoint: &Endpoint, report: &mut Report) {
    let greeted = async {
        let stream = connector.tcp(endpoint).await.map_err(|error| error.to_string())?;
        let mut stream = BufReader::new(stream);
        expect(&mut stream, "220").await?;
        for (command, code) in [("EHLO postroom\r\n", "250"), ("STARTTLS\r\n", "220")] {
            stream.get_mut().write_all(command.as_bytes()).await.map_err(|error| error.to_string())?;
            expect(&mut stream, code).await?;
        }
        connector.upgrade(&endpoint.host, stream.into_inner()).await.map_err(|error| error.to_string())?;
        Ok(())
    };
    said(report, "smtp", endpoint, "MICROSOFT_SMTP", greeted).await;
}

/// The installation's own mailer: it signs in as it would to send.
pub(super) async fn mailer(connector: &Connector, mailer: Option<&SystemMailer>, report: &mut Report) {
    const WHAT: &str = "mailer";
    let Some(mailer) = mailer else {
        report.note(
            WHAT,
            "SMTP_ADDRESS is not set: administrators hand links over, and nobody can ask for a new password",
        );
        return;
    };
    let relay = &mailer.relay;
    let shown = format!("{}:{}", relay.endpoint.host, relay.endpoint.port);
    let begun = Instant::now();
    let cure = "Check SMTP_ADDRESS, SMTP_PORT, SMTP_USERNAME, SMTP_PASSWORD, the firewall and EXTRA_CA_FILE.";
    match tokio::time::timeout(PATIENCE, relay.probe(connector)).await {
        Ok(Ok(())) => {
            let how = if relay.password.is_some() { "signs us in" } else { "greets, without a sign-in" };
            report.ok(WHAT, &format!("{shown} {how} in {} ms", begun.elapsed().as_millis()));
        }
        Ok(Err(failure)) => report.fail(WHAT, &format!("{shown}: {failure}"), cure),
        Err(_) => report.fail(WHAT, &format!("{shown}: no answer in time"), cure),
    }
}

async fn said(
    report: &mut Report,
    what: &str,
    endpoint: &Endpoint,
    variable: &str,
    greeted: impl Future<Output = Result<(), String>>,
) {
    let shown = format!("{}:{}", endpoint.host, endpoint.port);
    let begun = Instant::now();
    let cure =
        format!("Check name resolution, the firewall (port {} outwards), {variable} and EXTRA_CA_FILE.", endpoint.port);
    match tokio::time::timeout(PATIENCE, greeted).await {
        Ok(Ok(())) => {
            report.ok(what, &format!("{shown} greets over verified TLS in {} ms", begun.elapsed().as_millis()));
        }
        Ok(Err(error)) => report.fail(what, &format!("{shown}: {error}"), &cure),
        Err(_) => report.fail(what, &format!("{shown}: no answer in time"), &cure),
    }
}

/// Reads one answer, of one line or several.
async fn expect(stream: &mut BufReader<impl AsyncRead + Unpin>, code: &str) -> Result<(), String> {
    loop {
        let answer = line(stream).await?;
        if !answer.starts_with(code) {
            return Err(format!("it answers {answer:?}"));
        }
        if answer.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

async fn line(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Result<String, String> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    stream.take(LONGEST_LINE_BYTES).read_until(b'\n', &mut bytes).await.map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Err("it closed the connection".to_owned());
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::http_date_seconds;

    #[test]
    fn an_http_date_is_read() {
        assert_eq!(http_date_seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date_seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date_seconds("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        for broken in ["", "yesterday", "Sun, 06 Nov", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(http_date_seconds(broken), None);
        }
    }
}
