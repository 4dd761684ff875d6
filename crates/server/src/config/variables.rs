//! The table of every variable this program reads: what `--help` and `.env.example` show, and what the tidy test compares.
//!
//! Reading one that does not stand here panics in the tests of `config`, so the table cannot fall behind.

/// One variable of the environment.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    /// What holds when it is not set; empty when nothing does.
    pub default: &'static str,
    pub help: &'static str,
}

pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "POSTROOM_ENV",
        default: "production",
        help: "development or production. Development forgives plain http, a missing secret key and a sign-in host that is not Microsoft's.",
    },
    Variable {
        name: "LISTEN_ADDR",
        default: "127.0.0.1:3000",
        help: "Address and port the API listens on. Put a proxy that speaks TLS in front of it; in a container use 0.0.0.0:3000.",
    },
    Variable {
        name: "FRONTEND_URL",
        default: "in development http://LISTEN_ADDR",
        help: "Where people and Microsoft reach this installation, such as https://desk.example.com. Required in production, and https there.",
    },
    Variable {
        name: "CONNECT_RETURN_URLS",
        default: "",
        help: "Addresses that people may be sent back to at the end of a connect link, separated by commas, such as https://app.example.com/mailboxes: everything below that path, at exactly that scheme, host and port.",
    },
    Variable {
        name: "TRUSTED_PROXIES",
        default: "",
        help: "Addresses and networks of the proxies in front, such as 127.0.0.1, 10.0.0.0/8: their X-Forwarded-For is believed. Without it all who come through a proxy are one address.",
    },
    Variable {
        name: "RACK_ATTACK_LIMIT",
        default: "3000",
        help: "Calls of the API within a minute that one person may make, with all their tokens and sessions together. Strangers may make a tenth of it from one address. 10 to 1000000.",
    },
    Variable {
        name: "ACCOUNT_INBOXES_LIMIT",
        default: "1000",
        help: "Inboxes that one account may have. Lowering it takes none away, and signing in again is always possible. 1 to 1000000.",
    },
    Variable {
        name: "ACCOUNT_AGENTS_LIMIT",
        default: "1000",
        help: "People that one account may have. Lowering it takes nobody away. 1 to 1000000.",
    },
    Variable {
        name: "API_CONNECTIONS",
        default: "4096",
        help: "Connections that one process takes at a time, a quarter of them of one address; three quarters may be streams of events. Each is an open file. 64 to 100000.",
    },
    Variable {
        name: "EVENTS_KEPT_HOURS",
        default: "72",
        help: "How long events are kept: a client that follows them may be away for so long and miss nothing; later it reads everything anew. 24 to 8760.",
    },
    Variable {
        name: "WEBHOOK_TIMEOUT",
        default: "5",
        help: "Seconds that a webhook may take to answer, from the first packet to the last. 1 to 30.",
    },
    Variable {
        name: "SAFE_FETCH_ALLOW_PRIVATE_NETWORK",
        default: "false",
        help: "true lets tenants' webhooks lead into private networks, and so to whatever answers there. Only where all tenants are trusted.",
    },
    Variable {
        name: "POSTROOM_DATA_DIR",
        default: "./data",
        help: "Folder for the SQLite database, its attachments and raw mails, and a development key. Must survive restarts; back it up.",
    },
    Variable {
        name: "DATABASE_URL",
        default: "sqlite://POSTROOM_DATA_DIR/postroom.sqlite3",
        help: "sqlite://PATH for one process, or postgres://USER:PASSWORD@HOST/NAME for any number of them (PostgreSQL 15 or newer).",
    },
    Variable {
        name: "DATABASE_CONNECTIONS",
        default: "10",
        help: "Connections to PostgreSQL that one process opens at most, or readers of the SQLite file. Each process counts on its own.",
    },
    Variable {
        name: "REDIS_URL",
        default: "",
        help: "redis://HOST:PORT/DB or rediss://…: carries jobs and hints between processes. Without it they wait in memory. Nothing is kept there.",
    },
    Variable {
        name: "POSTROOM_SECRET_KEY",
        default: "in development a key kept in POSTROOM_DATA_DIR",
        help: "Key ring NAME:BASE64,NAME:BASE64 that seals tokens at rest; the first seals, all open. A key is 32 bytes: openssl rand -base64 32. Required in production.",
    },
    Variable {
        name: "AZURE_APP_ID",
        default: "",
        help: "Application (client) id of the app registration at Microsoft whose redirect URI is FRONTEND_URL/microsoft/callback.",
    },
    Variable {
        name: "AZURE_APP_SECRET",
        default: "",
        help: "The value (not the id) of a client secret of that app registration. Without an app and its secret or certificate nobody can connect a Microsoft mailbox.",
    },
    Variable {
        name: "AZURE_APP_SECRET_EXPIRES_AT",
        default: "",
        help: "The day on which that secret expires, as 2027-05-31: the log and postroom doctor remind of it 30, 14, 7 and 1 days before.",
    },
    Variable {
        name: "AZURE_APP_SECRET_2",
        default: "",
        help: "A second client secret, while the first is replaced: it is used when Microsoft refuses the first.",
    },
    Variable {
        name: "AZURE_APP_SECRET_2_EXPIRES_AT",
        default: "",
        help: "The day on which the second secret expires.",
    },
    Variable {
        name: "AZURE_APP_CERTIFICATE_FILE",
        default: "",
        help: "Instead of a secret, or as one of the two: a file with the certificate, in PEM, that was uploaded to the app registration. It is used before a secret.",
    },
    Variable {
        name: "AZURE_APP_PRIVATE_KEY_FILE",
        default: "",
        help: "The file with its private key, in PEM without a passphrase: RSA of 2048 to 4096 bits.",
    },
    Variable {
        name: "AZURE_TENANT",
        default: "common",
        help: "Who may sign in: common, organizations, consumers, or one tenant's id or domain, as the app registration's account types say.",
    },
    Variable {
        name: "MICROSOFT_LOGIN_URL",
        default: "https://login.microsoftonline.com",
        help: "Microsoft's sign-in host: in production one of Microsoft's own clouds; http and any other host in development only.",
    },
    Variable {
        name: "MICROSOFT_IMAP",
        default: "outlook.office365.com:993",
        help: "HOST:PORT where mailboxes are read, with TLS from the first byte. It applies to every kind of Microsoft account. By default that of the cloud of MICROSOFT_LOGIN_URL.",
    },
    Variable {
        name: "MICROSOFT_SMTP",
        default: "smtp.office365.com:587",
        help: "HOST:PORT where replies are submitted, with STARTTLS. Always verified. By default that of the cloud of MICROSOFT_LOGIN_URL.",
    },
    Variable {
        name: "MICROSOFT_PERSONAL_SMTP",
        default: "smtp-mail.outlook.com:587, or MICROSOFT_SMTP where that is set to something else",
        help: "The same for personal accounts, whose mail is submitted elsewhere.",
    },
    Variable {
        name: "MICROSOFT_GRAPH_URL",
        default: "https://graph.microsoft.com",
        help: "Where Microsoft Graph is asked, for mailboxes that send through it; by default that of the cloud of MICROSOFT_LOGIN_URL. In production one of Microsoft's own; https://dod-graph.microsoft.us stands for the cloud of the Department of Defense.",
    },
    Variable {
        name: "SMTP_ADDRESS",
        default: "",
        help: "Server that takes the installation's own mails: invitations and links to set a new password. Without it an administrator hands links over, and nobody can ask for a new password.",
    },
    Variable {
        name: "SMTP_PORT",
        default: "587",
        help: "Its port. 465 speaks TLS from the first byte, any other begins with STARTTLS.",
    },
    Variable {
        name: "SMTP_USERNAME",
        default: "",
        help: "Who signs in there, where that is needed. Said over verified TLS only.",
    },
    Variable { name: "SMTP_PASSWORD", default: "", help: "The password of SMTP_USERNAME." },
    Variable { name: "SMTP_AUTHENTICATION", default: "whichever the server offers", help: "plain or login." },
    Variable {
        name: "SMTP_ENABLE_STARTTLS_AUTO",
        default: "true",
        help: "With true nothing is said to a server that does not speak TLS. false only for a server on this machine, without SMTP_USERNAME.",
    },
    Variable {
        name: "SMTP_DOMAIN",
        default: "",
        help: "What this installation calls itself to that server (EHLO), where the server wants a name.",
    },
    Variable {
        name: "MAILER_SENDER_EMAIL",
        default: "",
        help: "In whose name the installation's own mails go, such as Desk <desk@example.com>. Required with SMTP_ADDRESS.",
    },
    Variable {
        name: "EXTRA_CA_FILE",
        default: "",
        help: "PEM file with certificate authorities that are trusted beside the public ones, for servers with a private authority.",
    },
    Variable {
        name: "POLL_INTERVAL_SECONDS",
        default: "60",
        help: "How often a mailbox without IDLE is looked into; one with IDLE is looked into nine times less often, as a net. 1 to 3600.",
    },
    Variable {
        name: "IMPORT_DAYS",
        default: "7",
        help: "How many days of old mail become conversations when a mailbox is connected. 0 imports nothing; at most 3650 days.",
    },
    Variable {
        name: "FETCH_LIMIT_MB",
        default: "160",
        help: "Of a mail larger than so many megabytes only the beginning is fetched and kept, and it says so. Exchange takes at most 150. 1 to 1024.",
    },
    Variable {
        name: "FULL_PARSE_LIMIT_MB",
        default: "32",
        help: "A mail larger than so many megabytes is shown from its beginning only, and says so. Its raw bytes are kept up to FETCH_LIMIT_MB. 1 to 150.",
    },
    Variable {
        name: "MAIL_MEMORY_MB",
        default: "256",
        help: "Megabytes of memory that mail may take in one worker process while it is fetched and read, all mailboxes together. A mail that needs more comes alone. 16 to 65536.",
    },
    Variable {
        name: "OUTCOME_LOOKS_SECONDS",
        default: "10,60,300",
        help: "When a connection was lost after a message was handed over: the waits before each look for it in Sent. Then it is decided.",
    },
    Variable {
        name: "WORKER_CONCURRENCY",
        default: "8",
        help: "Jobs that people wait for (replies, proofs of mailboxes) that one worker process runs at the same time; one account has three quarters of the places at most. From 1 to 1000.",
    },
    Variable {
        name: "WORKER_BULK_CONCURRENCY",
        default: "4",
        help: "Imports that one worker process runs at the same time, in places of their own: however many there are, replies do not wait for them. From 1 to 1000.",
    },
    Variable {
        name: "WORKER_MAILBOXES",
        default: "10000",
        help: "Mailboxes that one worker process looks after at most. Further ones are left to the other worker processes.",
    },
    Variable {
        name: "MAIL_HOST_CONNECTIONS",
        default: "10000",
        help: "Sessions that one process holds with one mail server at a time. Mailboxes beyond take turns: each is read every POLL_INTERVAL_SECONDS, as far as that goes. At least WORKER_BULK_CONCURRENCY and two more.",
    },
    Variable {
        name: "RUST_LOG",
        default: "info",
        help: "What is logged, such as info or worker=debug. Libraries that print credentials when asked to stay at warn whatever is set.",
    },
    Variable {
        name: "LOG_FORMAT",
        default: "json in production, pretty in development",
        help: "json (one object a line) or pretty (for people). Logs hold ids and causes, never addresses, tokens or bodies of mails.",
    },
];

/// The table as text, for `--help`.
pub fn described() -> String {
    let mut text = String::from("Environment (also read from the file .env in the working directory):\n");
    for variable in VARIABLES {
        let default = if variable.default.is_empty() { String::new() } else { format!(" [{}]", variable.default) };
        text.push_str(&format!("  {}{default}\n      {}\n", variable.name, variable.help));
    }
    text
}
