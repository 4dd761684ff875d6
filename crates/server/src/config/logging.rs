//! What is logged, and how: RUST_LOG, LOG_FORMAT.

use super::reader::Reader;
use app::Environment;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Pretty,
}

#[derive(Clone, Debug)]
pub struct Logging {
    pub filter: String,
    pub format: LogFormat,
}

impl Logging {
    pub fn read(reader: &mut Reader, environment: Environment) -> Self {
        let format = match reader.text("LOG_FORMAT").as_deref() {
            Some("json") => LogFormat::Json,
            Some("pretty") => LogFormat::Pretty,
            other => {
                if let Some(other) = other {
                    let what = format!("{other:?} is neither json nor pretty");
                    reader.problem("LOG_FORMAT", &what, "Set one of the two, or remove it.");
                }
                match environment {
                    Environment::Production => LogFormat::Json,
                    Environment::Development => LogFormat::Pretty,
                }
            }
        };
        let filter = reader.text("RUST_LOG").unwrap_or_else(|| "info".to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            let what = format!("{filter:?} cannot be read ({error})");
            reader.problem("RUST_LOG", &what, "Write a level such as info, or target=level pairs with commas between.");
            return Self { filter: "info".to_owned(), format };
        }
        Self { filter, format }
    }
}
