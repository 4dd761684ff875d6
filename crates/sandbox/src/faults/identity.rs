//! What can go wrong at the sign-in service: its pages, its token endpoint, its keys, and the id_tokens it issues.

/// An HTTP endpoint of the sign-in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Discovery,
    Keys,
    Authorize,
    Token,
}

/// An endpoint that does not do its work at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// The edge answers 503 with HTML, not JSON.
    HtmlUnavailable(Endpoint),
    /// 429 with `Retry-After`.
    TooManyRequests { at: Endpoint, retry_after_seconds: u32 },
    /// 503 with `Retry-After`.
    Unavailable { at: Endpoint, retry_after_seconds: u32 },
    /// The answer never comes; the connection stays open.
    Stall(Endpoint),
    /// The answer is right, and comes so much later.
    Slow { at: Endpoint, milliseconds: u64 },
    /// 200 with a body that is cut off.
    Truncated(Endpoint),
    /// 302 to somewhere else, which a client that carries a secret must not follow.
    RedirectElsewhere(Endpoint),
}

impl EndpointFault {
    pub(crate) fn endpoint(self) -> Endpoint {
        match self {
            Self::HtmlUnavailable(at)
            | Self::TooManyRequests { at, .. }
            | Self::Unavailable { at, .. }
            | Self::Slow { at, .. }
            | Self::Stall(at)
            | Self::Truncated(at)
            | Self::RedirectElsewhere(at) => at,
        }
    }
}

/// What the browser brings back instead of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInFault {
    /// Any `error`/`error_description` pair, `server_error` and `temporarily_unavailable` among them.
    Error { error: String, description: String },
    /// The redirect carries a `state` of somebody else.
    ForeignState(String),
    /// The redirect carries no `state`.
    NoState,
    /// The code has expired by the time it is redeemed.
    StaleCode,
}

/// What the token endpoint answers instead of tokens, or what is wrong with the ones it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Any error body; the constructors below are the known ones.
    Error { status: u16, error: String, suberror: Option<String>, code: u32, text: String, claims: Option<String> },
    /// As personal accounts have it: terse, without `error_uri`.
    PersonalGrantExpired,
    /// A success without `refresh_token`.
    NoRefreshToken,
    /// A success without `id_token`.
    NoIdToken,
    /// A success whose `scope` lacks this one.
    MissingScope(String),
    /// The access token is one for Graph, whatever was asked: IMAP refuses it.
    WrongAudience,
    /// `expires_in` of the next access token.
    ExpiresIn(u32),
    /// The refresh token does not change, as the specification also permits.
    NoRotation,
    /// The grant is carried out, but the answer is lost: the connection ends.
    AnswerLost,
}

impl TokenFault {
    fn error(status: u16, error: &str, suberror: Option<&str>, code: u32, text: &str) -> Self {
        Self::Error {
            status,
            error: error.into(),
            suberror: suberror.map(Into::into),
            code,
            text: text.into(),
            claims: None,
        }
    }

    /// AADSTS7000215: the secret is wrong (often its id was pasted). Our operator must act.
    pub fn invalid_client_secret() -> Self {
        let text = "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                    value, not the client secret ID, for a secret added to app.";
        Self::error(401, "invalid_client", None, 7_000_215, text)
    }

    /// AADSTS7000222: the secret has expired.
    pub fn client_secret_expired() -> Self {
        let text = "The provided client secret keys for app are expired. Visit the Azure portal to create new keys for \
                    your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added \
                    security: https://aka.ms/certCreds.";
        Self::error(401, "invalid_client", None, 7_000_222, text)
    }

    /// AADSTS50173: password changed or sessions revoked.
    pub fn grant_revoked() -> Self {
        let text = "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user \
                    might have changed or reset their password.";
        Self::error(400, "invalid_grant", Some("bad_token"), 50_173, text)
    }

    /// AADSTS700082: 90 days without use.
    pub fn refresh_token_inactive() -> Self {
        let text = "The refresh token has expired due to inactivity. The token was issued on \
                    2026-01-01T00:00:00.0000000Z and was inactive for 90.00:00:00.";
        Self::error(400, "invalid_grant", Some("bad_token"), 700_082, text)
    }

    /// AADSTS70043: Conditional Access wants a sign-in every so often.
    pub fn sign_in_frequency() -> Self {
        let text = "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access. The \
                    token was issued on 2026-01-01T00:00:00.0000000Z and the maximum allowed lifetime for this request is \
                    86400.";
        Self::error(400, "invalid_grant", Some("bad_token"), 70_043, text)
    }

    /// AADSTS50076: multi-factor sign-in is wanted, with a claims challenge.
    pub fn mfa_required() -> Self {
        let text = "Due to a configuration change made by your administrator, or because you moved to a new location, \
                    you must use multi-factor authentication to access the resource.";
        let mut fault = Self::error(400, "interaction_required", Some("basic_action"), 50_076, text);
        if let Self::Error { claims, .. } = &mut fault {
            *claims = Some(r#"{"access_token":{"capolids":{"essential":true,"values":["policy"]}}}"#.into());
        }
        fault
    }

    /// AADSTS53003: Conditional Access says no; only an administrator of the tenant can change that.
    pub fn conditional_access() -> Self {
        let text = "Access has been blocked by Conditional Access policies. The access policy does not allow token \
                    issuance.";
        Self::error(400, "invalid_grant", Some("message_only"), 53_003, text)
    }

    /// AADSTS65001: nobody has consented, or the consent was taken back.
    pub fn consent_required() -> Self {
        let text = "The user or administrator has not consented to use the application with ID '6cb04018' named \
                    'Postroom'. Send an interactive authorization request for this user and resource.";
        Self::error(400, "invalid_grant", Some("consent_required"), 65_001, text)
    }

    /// AADSTS50196: the same request too often; wait at least five minutes.
    pub fn client_loop() -> Self {
        let text = "The server terminated an operation because it encountered a client request loop. Please contact \
                    your app vendor.";
        Self::error(400, "invalid_grant", None, 50_196, text)
    }

    /// AADSTS90033: a passing trouble of the service.
    pub fn temporarily_unavailable() -> Self {
        Self::error(503, "temporarily_unavailable", None, 90_033, "A transient error has occurred. Please try again.")
    }

    /// AADSTS50057: the account is disabled.
    pub fn account_disabled() -> Self {
        Self::error(400, "invalid_grant", None, 50_057, "The user account is disabled.")
    }
}

/// What is wrong with the next id_token. Each must be refused, except where it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdTokenFault {
    /// `"alg":"none"` and an empty signature.
    AlgNone,
    /// HS256 with the public key's PEM as the secret.
    Hs256WithPublicKey,
    /// Signed properly by a key nobody publishes.
    UnknownKid,
    NoKid,
    /// The signature is of another key than the `kid` names.
    BadSignature,
    /// Signed by a published key whose `issuer` is another tenant.
    KeyOfAnotherIssuer,
    /// `iss` of another tenant than `tid`.
    IssuerOfAnotherTenant,
    /// `https://sts.windows.net/{tid}/`.
    V1Issuer,
    /// `iss` begins like the right one and goes on.
    IssuerWithSuffix,
    TidMissing,
    TidNotGuid,
    /// Two `tid` members with different values.
    TidTwice,
    /// The `aud` of another app.
    AudienceOfAnotherApp,
    WrongNonce,
    NoNonce,
    /// `exp` ten minutes ago.
    Expired,
    /// `nbf` in ten minutes.
    NotYetValid,
    /// `"ver":"1.0"`.
    Version1,
    OidMissing,
    /// 20 KB of claims.
    Huge,
    /// Two parts instead of three.
    Malformed,
    /// `xms_edov` false, with an e-mail: valid, but the e-mail is nobody's proof.
    EmailUnverified,
    /// No `xms_edov`: valid, counts as unverified.
    EdovAbsent,
    /// `"xms_edov":"1"`, one of the spellings seen: valid, verified.
    EdovText,
    /// An `email` in the domain of another tenant (the nOAuth attack): valid, but names somebody else.
    EmailOfAnotherTenant,
    /// Valid, without `email`.
    NoEmail,
    /// Valid, without `preferred_username`.
    NoPreferredUsername,
    /// Valid, with neither.
    NoAddressAtAll,
    /// A guest: `acct` 1 and an `idp`. Valid.
    Guest,
    /// The same addresses, another `oid`: the address was given to somebody else. Valid, another principal.
    SameEmailOtherOid,
    /// The same `oid` in another tenant, consistently. Valid, another principal.
    SameOidOtherTid,
}

/// What the published keys look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysFault {
    /// `{"keys":[]}`.
    Empty,
    /// Members no library knows: a key of an unknown type, one without `issuer`.
    Strange,
}
