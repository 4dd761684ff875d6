//! The clouds, the settings that name them, and the authorities.

use super::*;

fn settings(login_url: &str) -> MicrosoftSettings {
    MicrosoftSettings {
        login_url: Url::parse(login_url).expect("a URL"),
        graph_url: None,
        authority: "common".to_owned(),
        client_id: "6cb04018-a3f5-46a7-b995-940c78f5aef3".to_owned(),
        credentials: vec![Credential::secret("s3cret-value")],
        redirect_uri: Url::parse("https://desk.example/microsoft/callback").expect("a URL"),
        production: true,
    }
}

#[test]
fn in_production_only_microsofts_hosts_are_given_the_secret() {
    for host in ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"] {
        assert_eq!(settings(&format!("https://{host}")).validate(true), Ok(()), "{host}");
    }
    for url in [
        "https://login.microsoftonline.com.evil.example",
        "https://evil.example",
        "https://127.0.0.1",
        "https://login.microsoftonline.com:8443",
        "https://login.microsoftonline.com/prefix",
        "https://user@login.microsoftonline.com",
        "http://login.microsoftonline.com",
    ] {
        assert!(settings(url).validate(true).is_err(), "{url}");
    }
}

#[test]
fn graph_is_where_the_cloud_says_and_nowhere_else() {
    let parse = |url: &str| Url::parse(url).expect("a URL");
    let global = parse("https://login.microsoftonline.com");
    let government = parse("https://login.microsoftonline.us");
    assert_eq!(cloud_of(&parse("http://127.0.0.1:4000"), None), None);
    let may = |url: &str, login: &Url| is_graph(&parse(url), login);
    assert!(may("https://graph.microsoft.com", &global));
    assert!(may("https://graph.microsoft.us", &government) && may("https://dod-graph.microsoft.us", &government));
    // What a token is for is another cloud's nothing.
    assert!(!may("https://dod-graph.microsoft.us", &global) && !may("https://graph.microsoft.com", &government));
    for url in [
        "http://graph.microsoft.com",
        "https://graph.microsoft.com.evil.example",
        "https://graph.microsoft.com:8443",
        "https://graph.microsoft.com/beta",
        "https://user@graph.microsoft.com",
    ] {
        assert!(!may(url, &global), "{url}");
    }
}

/// Sources: "National clouds" (Microsoft identity platform), and docs/MICROSOFT.md for what nobody here has tried.
#[test]
fn each_clouds_hosts_and_permissions_are_its_own() {
    type Row = (&'static str, Option<&'static str>, &'static str, [&'static str; 2], [&'static str; 2]);
    let table: [Row; 5] = [
        (
            "login.microsoftonline.com",
            None,
            "global",
            ["https://outlook.office.com", "https://graph.microsoft.com"],
            ["outlook.office365.com:993", "smtp.office365.com:587"],
        ),
        (
            "login.microsoftonline.us",
            None,
            "us_government",
            ["https://outlook.office365.us", "https://graph.microsoft.us"],
            ["outlook.office365.us:993", "smtp.office365.us:587"],
        ),
        (
            "login.microsoftonline.us",
            Some("https://dod-graph.microsoft.us"),
            "us_government_dod",
            ["https://outlook.office365.us", "https://dod-graph.microsoft.us"],
            ["outlook-dod.office365.us:993", "outlook-dod.office365.us:587"],
        ),
        (
            "login.partner.microsoftonline.cn",
            None,
            "china",
            ["https://partner.outlook.cn", "https://microsoftgraph.chinacloudapi.cn"],
            ["partner.outlook.cn:993", "smtp.partner.outlook.cn:587"],
        ),
        (
            "login.chinacloudapi.cn",
            None,
            "china_former_name",
            ["https://partner.outlook.cn", "https://microsoftgraph.chinacloudapi.cn"],
            ["partner.outlook.cn:993", "smtp.partner.outlook.cn:587"],
        ),
    ];
    assert_eq!(table.len(), CLOUDS.len());
    for (host, graph, name, [outlook, graph_root], [imap, smtp]) in table {
        let mut settings = settings(&format!("https://{host}"));
        settings.graph_url = graph.map(|url| Url::parse(url).expect("a URL"));
        assert_eq!(settings.validate(true), Ok(()), "{name}");
        let cloud = settings.cloud();
        assert_eq!((cloud.name, cloud.imap, cloud.smtp), (name, imap, smtp));
        assert_eq!(cloud.graph(), Url::parse(graph_root).ok(), "{name}");
        assert_eq!(cloud.verified, name == "global");
        let connector = Connector::new(net::ConnectorConfig::default()).expect("a connector");
        let microsoft = Microsoft::new(settings, connector, Arc::new(At(0))).expect("settings that fit");
        let url = microsoft.authorize_url(&crate::AuthorizeRequest {
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            pkce_verifier: crate::PkceVerifier::generate(&Zeros),
            login_hint: None,
            prompt: crate::Prompt::SelectAccount,
            also: Some(crate::Resource::Graph),
            claims: None,
        });
        assert!(url.as_str().starts_with(&format!("https://{host}/common/oauth2/v2.0/authorize?")), "{url}");
        let scope = url.query_pairs().find(|(name, _)| name == "scope").expect("scopes").1.into_owned();
        let mut wanted: Vec<String> = crate::authorize::OIDC_SCOPES.map(str::to_owned).to_vec();
        wanted.extend(["IMAP.AccessAsUser.All", "SMTP.Send"].map(|one| format!("{outlook}/{one}")));
        wanted.extend(["Mail.Send", "Mail.ReadWrite"].map(|one| format!("{graph_root}/{one}")));
        assert_eq!(scope.split(' ').collect::<Vec<_>>(), wanted, "{name}");
    }
}

#[derive(Debug)]
struct At(i64);

impl Clock for At {
    fn now(&self) -> domain::Timestamp {
        domain::Timestamp(self.0)
    }
}

#[derive(Debug)]
struct Zeros;

impl domain::Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

#[test]
fn the_refusal_names_the_host_and_what_would_do() {
    let refused = settings("https://login.example").validate(true).expect_err("refused").to_string();
    assert!(refused.contains("login.example") && refused.contains("login.microsoftonline.com"), "{refused}");
}

#[test]
fn in_production_the_code_comes_back_over_https_or_to_this_machine() {
    let with = |uri: &str| {
        let redirect_uri = Url::parse(uri).expect("a URL");
        MicrosoftSettings { redirect_uri, ..settings("https://login.microsoftonline.com") }.validate(true)
    };
    assert_eq!(with("http://localhost:3000/microsoft/callback"), Ok(()));
    assert!(with("http://desk.example/microsoft/callback").is_err());
    assert!(with("https://desk.example/microsoft/callback#x").is_err());
}

#[test]
fn a_stand_in_over_plain_http_is_for_development() {
    assert_eq!(settings("http://127.0.0.1:4000").validate(false), Ok(()));
    assert!(settings("http://127.0.0.1:4000").validate(true).is_err());
}

#[test]
fn an_authority_is_one_of_five_kinds() {
    assert_eq!(Authority::parse("Common"), Ok(Authority::Common));
    assert_eq!(Authority::parse("organizations"), Ok(Authority::Organizations));
    assert_eq!(Authority::parse("consumers"), Ok(Authority::Consumers));
    assert_eq!(Authority::parse("contoso.com"), Ok(Authority::Domain("contoso.com".to_owned())));
    assert_eq!(
        Authority::parse("3338040D-6C67-4C5B-B112-36A304B66DAD"),
        Ok(Authority::Tenant("3338040d-6c67-4c5b-b112-36a304b66dad".to_owned()))
    );
    for text in ["", "..", "a/b", "common?x=", "3338040d", "contoso.com/x", "127.0.0.1"] {
        assert!(Authority::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_secret_is_not_in_the_settings_debug() {
    assert!(!format!("{:?}", settings("https://login.microsoftonline.com")).contains("s3cret-value"));
}
