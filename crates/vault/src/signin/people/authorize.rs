//! The authorization code flow with PKCE: a client on the person's own machine opens a browser, the person signs in, and
//! the browser brings a code back to that machine.

use super::{
    grants::{Granted, Kind, id_of, made, secret},
    html::{self, REFUSED},
    scopes::{Scopes, client},
};
use crate::{
    accounts::SignIn,
    app::App,
    reply::Reply,
    request::Address,
    signin::{
        SignInError,
        form::{Form, shown as short},
        token::{Asked, GrantError, note_denied, sign_in_entry},
    },
    store::AuditOutcome,
    tokens::Flavour,
};
use http::{HeaderMap, header};
use url::{Host, Url};
use uuid::Uuid;

const CODE_SECONDS: i64 = 5 * 60;
const LONGEST_STATE: usize = 4_096;
const TITLE: &str = "Sign in";
/// What the browser carries through the page as it came.
const CARRIED: [&str; 10] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "resource",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

/// What a client asks for.
#[derive(Debug)]
struct Request {
    client: String,
    client_name: &'static str,
    redirect: Url,
    redirect_text: String,
    by_form: bool,
    scopes: Scopes,
    state: Option<String>,
    nonce: Option<String>,
    challenge: String,
}

/// The page on which a person signs in for a client.
pub fn show_authorize(app: &App, address: &Address, headers: &HeaderMap, asked: Asked<'_>) -> Reply {
    let get = |name: &str| address.parameter(name).filter(|value| !value.is_empty());
    match Request::read(app, &get, asked.flavour) {
        Ok(request) => page(200, &request, &get, headers, get("login_hint").unwrap_or_default(), None),
        Err(error) => html::message(400, TITLE, &error),
    }
}

/// A person signs in.
pub async fn authorize(
    app: &App,
    form: &[u8],
    headers: &HeaderMap,
    asked: Asked<'_>,
) -> Result<Reply, GrantError> {
    let Ok(form) = Form::read(form) else { return Ok(html::message(400, TITLE, "The form cannot be read.")) };
    let get = |name: &str| form.get(name);
    let request = match Request::read(app, &get, asked.flavour) {
        Ok(request) => request,
        Err(error) => return Ok(html::message(400, TITLE, &error)),
    };
    let name = form.get("name").unwrap_or_default();
    let again = |why| Ok(page(400, &request, &get, headers, name, Some(why)));
    if !html::is_own(app, headers, form.get("mark")) {
        return again(
            "This page was open for too long, or another page sent the form. Enter everything again.",
        );
    }
    if form.get("do") == Some("decline") {
        return Ok(back(
            &request,
            &[("error", "access_denied"), ("error_description", "The person declined.")],
        ));
    }
    let password = form.get("password").unwrap_or_default();
    let principal = match app.accounts.sign_in_person(name, password, asked.source).await? {
        SignIn::Accepted(principal) => principal,
        refused => {
            html::log_refused(name, asked.source, asked.correlation);
            if let SignIn::Wrong(principal) = refused {
                note_denied(app, &principal, asked.correlation).await?;
            }
            return again(REFUSED);
        }
    };
    let code = secret();
    let granted = Granted::Code {
        client: request.client.clone(),
        scopes: request.scopes.clone(),
        redirect: request.redirect_text.clone(),
        challenge: request.challenge.clone(),
        nonce: request.nonce.clone(),
        used: false,
    };
    let (family, lives) = (Uuid::new_v4().to_string(), (app.clock.now(), CODE_SECONDS));
    let change = made(id_of(Kind::Code, &code), &family, Some(&principal.object_id), &granted, lives)?;
    let entry = sign_in_entry(app, &principal, AuditOutcome::Changed, asked.correlation);
    app.store.commit(&[change], &entry).await?;
    Ok(back(&request, &[("code", &code)]))
}

impl Request {
    /// Reads a request. What is wrong with it is told on the page and never to where it wants to send the browser.
    fn read<'a>(app: &App, get: &dyn Fn(&str) -> Option<&'a str>, flavour: Flavour) -> Result<Self, String> {
        let need = |name: &'static str| get(name).ok_or_else(|| format!("The request lacks '{name}'."));
        let told = |error: SignInError| error.told();
        let id = need("client_id")?;
        let client_name = client(id, app.issuer.tenant()).map_err(told)?;
        let redirect_text = need("redirect_uri")?;
        let redirect = allowed(redirect_text, &app.redirects).map_err(told)?;
        match need("response_type")? {
            "code" => {}
            other => {
                return Err(format!("The response type '{}' is not offered; ask for 'code'.", short(other)));
            }
        }
        let by_form = match get("response_mode") {
            None | Some("query") => false,
            Some("form_post") => true,
            Some(other) => {
                return Err(format!(
                    "The response mode '{}' is not offered; use 'query' or 'form_post'.",
                    short(other)
                ));
            }
        };
        if get("code_challenge_method") != Some("S256") {
            return Err(
                "The request lacks PKCE: send code_challenge with code_challenge_method=S256.".to_owned()
            );
        }
        let challenge = need("code_challenge")?;
        let of_hash = challenge.len() == 43
            && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !of_hash {
            return Err("The code_challenge is no SHA-256 hash in base64url.".to_owned());
        }
        if get("prompt") == Some("none") {
            return Err("Nobody is signed in here, and the request forbids to ask (prompt=none).".to_owned());
        }
        let kept = |name: &str| match get(name) {
            Some(value) if value.len() > LONGEST_STATE => Err(format!("'{name}' is too long.")),
            value => Ok(value.map(str::to_owned)),
        };
        Ok(Self {
            client: id.to_owned(),
            client_name,
            redirect,
            redirect_text: redirect_text.to_owned(),
            by_form,
            scopes: Scopes::read(get("scope"), get("resource"), flavour, &app.public).map_err(told)?,
            state: kept("state")?,
            nonce: kept("nonce")?,
            challenge: challenge.to_owned(),
        })
    }
}

/// Where a browser may be sent: to the machine that it runs on, or to what the operator registered, letter by letter.
fn allowed(uri: &str, registered: &[String]) -> Result<Url, SignInError> {
    let refused = || SignInError::Redirect(short(uri));
    let url = Url::parse(uri).map_err(|_| refused())?;
    let loopback = url.scheme() == "http"
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
    if loopback || registered.iter().any(|one| one == uri) { Ok(url) } else { Err(refused()) }
}

fn page<'a>(
    status: u16,
    request: &Request,
    get: &dyn Fn(&str) -> Option<&'a str>,
    headers: &HeaderMap,
    name: &str,
    why: Option<&str>,
) -> Reply {
    let mark = html::mark(headers);
    let carried: String =
        CARRIED.iter().filter_map(|name| get(name).map(|value| html::hidden(name, value))).collect();
    let body = format!(
        "{}<p>{} on your machine ({}) will act with your rights.</p><form method=\"post\">{}{carried}{}\
         <button name=\"do\" value=\"allow\">Sign in</button>\
         <button name=\"do\" value=\"decline\" formnovalidate>Decline</button></form>",
        html::wrong(why),
        html::escaped(request.client_name),
        html::escaped(&target(&request.redirect)),
        html::hidden("mark", &mark),
        html::credentials(name),
    );
    html::marked(html::page(status, TITLE, &body, &target(&request.redirect)), &mark)
}

/// Sends the browser back, by its address or, as the Azure CLI wants it, by a form.
fn back(request: &Request, fields: &[(&str, &str)]) -> Reply {
    let state = request.state.as_deref().map(|state| ("state", state));
    let fields = fields.iter().copied().chain(state);
    if request.by_form {
        let hidden: String = fields.map(|(name, value)| html::hidden(name, value)).collect();
        let body = format!(
            "<p>One more step: go back to the program that you signed in for.</p>\
             <form method=\"post\" action=\"{}\">{hidden}<button>Continue</button></form>",
            html::escaped(request.redirect.as_str())
        );
        return html::page(200, "Signed in", &body, &target(&request.redirect));
    }
    let mut to = request.redirect.clone();
    to.query_pairs_mut().extend_pairs(fields);
    html::page(303, "Signed in", "", "").with(header::LOCATION, to.as_str())
}

/// As a policy of the page names it.
fn target(url: &Url) -> String {
    match url.scheme() {
        "http" | "https" => url.origin().ascii_serialization(),
        other => format!("{other}:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_its_own_machine_or_where_the_operator_says() {
        let registered = ["https://portal.example/back".to_owned()];
        let good = [
            "http://localhost:8400",
            "http://localhost:8400/path",
            "http://127.0.0.1:1/",
            "http://[::1]:5000",
            "https://portal.example/back",
        ];
        let bad = [
            "",
            "http://localhost.evil.example",
            "https://localhost:8400",
            "http://me@localhost",
            "http://localhost#x",
            "http://192.0.2.1",
            "https://portal.example/back/more",
            "https://portal.example/",
            "javascript:alert(1)",
            "http://localhost@evil.example",
        ];

        for uri in good {
            assert!(allowed(uri, &registered).is_ok(), "{uri}");
        }
        for uri in bad {
            assert!(allowed(uri, &registered).is_err(), "{uri}");
        }
    }
}
