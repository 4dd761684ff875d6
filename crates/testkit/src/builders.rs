//! Mails as customers' programs write them, for stories.

/// A plain mail that can be varied.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub message_id: Option<String>,
    pub in_reply_to: Option<String>,
    pub references: Vec<String>,
    pub body: String,
    pub extra: Vec<(String, String)>,
}

impl Mail {
    pub fn new(from: &str, subject: &str, body: &str) -> Self {
        let id = format!(
            "{}-{}@customer.example",
            subject.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
            body.len()
        );
        Self {
            from: from.to_owned(),
            to: crate::world::SUPPORT.to_owned(),
            subject: subject.to_owned(),
            message_id: Some(id),
            in_reply_to: None,
            references: Vec::new(),
            body: body.to_owned(),
            extra: Vec::new(),
        }
    }

    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.message_id = Some(id.to_owned());
        self
    }

    #[must_use]
    pub fn without_id(mut self) -> Self {
        self.message_id = None;
        self
    }

    #[must_use]
    pub fn answering(mut self, id: &str) -> Self {
        let id = id.trim_matches(['<', '>']).to_owned();
        self.references.push(id.clone());
        self.in_reply_to = Some(id);
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut mail = format!("From: {}\r\nTo: {}\r\nSubject: {}\r\n", self.from, self.to, self.subject);
        mail.push_str("Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n");
        if let Some(id) = &self.message_id {
            mail.push_str(&format!("Message-ID: <{id}>\r\n"));
        }
        if let Some(id) = &self.in_reply_to {
            mail.push_str(&format!("In-Reply-To: <{id}>\r\n"));
        }
        if !self.references.is_empty() {
            let list: Vec<String> = self.references.iter().map(|id| format!("<{id}>")).collect();
            mail.push_str(&format!("References: {}\r\n", list.join("\r\n ")));
        }
        for (name, value) in &self.extra {
            mail.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.extra.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            mail.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
        }
        mail.push_str("\r\n");
        mail.push_str(&self.body.replace("\r\n", "\n").replace('\n', "\r\n"));
        mail.push_str("\r\n");
        mail.into_bytes()
    }
}

/// The mail number `n` of many, each with an id of its own.
pub fn numbered(n: usize) -> Vec<u8> {
    Mail::new("ada@customer.example", &format!("Mail {n}"), &format!("body {n}")).id(&format!("mail-{n}@c")).bytes()
}

/// A header of a raw mail, unfolded; the first of its name.
pub fn header(raw: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let unfolded = head.replace("\r\n\t", " ").replace("\r\n ", " ");
    unfolded.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The id in a Message-ID header, without its brackets.
pub fn message_id(raw: &[u8]) -> Option<String> {
    header(raw, "Message-ID").map(|id| id.trim_matches(['<', '>']).to_owned())
}
