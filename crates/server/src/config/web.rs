//! Where this installation runs and is reached: POSTROOM_ENV, LISTEN_ADDR, FRONTEND_URL, CONNECT_RETURN_URLS.

use super::reader::Reader;
use app::Environment;
use app::channels::ReturnUrls;
use std::net::{Ipv4Addr, SocketAddr};
use url::Url;

#[derive(Clone, Debug)]
pub struct Web {
    pub environment: Environment,
    pub listen_addr: SocketAddr,
    pub frontend_url: Url,
    /// Where people may be sent at the end of a connect link.
    pub return_urls: ReturnUrls,
}

impl Web {
    pub fn read(reader: &mut Reader) -> Self {
        let environment = match reader.text("POSTROOM_ENV").as_deref() {
            None | Some("production") => Environment::Production,
            Some("development") => Environment::Development,
            Some(other) => {
                let what = format!("{other:?} is neither development nor production");
                reader.problem("POSTROOM_ENV", &what, "Set one of the two, or remove it for production.");
                Environment::Production
            }
        };
        let listen_addr = reader.parsed(
            "LISTEN_ADDR",
            SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)),
            "Write an IP address and a port, such as 127.0.0.1:3000 or [::1]:3000.",
        );
        let frontend_url = frontend_url(reader, environment, listen_addr);
        let return_urls = return_urls(reader, environment);
        Self { environment, listen_addr, frontend_url, return_urls }
    }
}

fn return_urls(reader: &mut Reader, environment: Environment) -> ReturnUrls {
    const NAME: &str = "CONNECT_RETURN_URLS";
    let plain_http = environment == Environment::Development;
    ReturnUrls::parse(&reader.text(NAME).unwrap_or_default(), plain_http).unwrap_or_else(|wrong| {
        let cure = "Write addresses separated by commas, each https://HOST or https://HOST/PATH.";
        reader.problem(NAME, &wrong, cure);
        ReturnUrls::default()
    })
}

fn frontend_url(reader: &mut Reader, environment: Environment, listen_addr: SocketAddr) -> Url {
    const NAME: &str = "FRONTEND_URL";
    const CURE: &str = "Write the address people use, such as https://desk.example.com.";
    let own = Url::parse(&format!("http://{listen_addr}")).expect("an address and a port make a URL");
    let Some(text) = reader.text(NAME) else {
        if environment == Environment::Production {
            reader.problem(NAME, "it is not set", CURE);
        }
        return own;
    };
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(error) => {
            reader.problem(NAME, &format!("{text:?} is no URL ({error})"), CURE);
            return own;
        }
    };
    let plain = url.scheme() == "http" && environment == Environment::Development;
    if url.scheme() != "https" && !plain {
        reader.problem(NAME, "it must start with https:// (http:// only with POSTROOM_ENV=development)", CURE);
    }
    if url.host().is_none() || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        reader.problem(NAME, "it must be a host, and nothing after its path", CURE);
    }
    url
}
