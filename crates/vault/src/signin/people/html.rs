//! Pages for people: small, without scripts, and without anything that a request can write into them unescaped.

use crate::{accounts::Source, app::App, reply::Reply};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

const COOKIE: &str = "__Host-cofferdam-form";
const STYLE: &str = "body{font:16px sans-serif;max-width:26em;margin:4em auto;padding:0 1em}\
label{display:block;margin:1em 0 .3em}input{font:inherit;width:100%;box-sizing:border-box;padding:.4em}\
button{font:inherit;margin:1.5em .5em 0 0;padding:.5em 1.5em}.wrong{color:#a00}";

/// The text as it can stand in a page, in an attribute too.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A page. `targets` are the origins to which its forms may lead, besides the vault itself.
pub fn page(status: u16, title: &str, body: &str, targets: &str) -> Reply {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {targets}; frame-ancestors 'none'; base-uri 'none'"
    );
    let title = escaped(title);
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body><h1>{title}</h1>{body}</body></html>"
    );
    Reply::page(status, page)
        .with(header::CONTENT_SECURITY_POLICY, policy)
        .with(header::X_FRAME_OPTIONS, "DENY")
        .with(header::REFERRER_POLICY, "same-origin")
        .with(header::CACHE_CONTROL, "no-store")
}

/// A page that says something.
pub fn message(status: u16, title: &str, text: &str) -> Reply {
    page(status, title, &format!("<p>{}</p>", escaped(text)), "")
}

/// A field that the browser sends back as it is.
pub fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value))
}

/// The fields in which a person signs in.
pub fn credentials(name: &str) -> String {
    format!(
        "<label for=\"name\">Name</label>\
         <input id=\"name\" name=\"name\" value=\"{}\" autocomplete=\"username\" maxlength=\"200\" required>\
         <label for=\"password\">Password</label>\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" maxlength=\"1024\" required>",
        escaped(name)
    )
}

/// Why the page is there again, if it is.
pub fn wrong(why: Option<&str>) -> String {
    why.map(|why| format!("<p class=\"wrong\">{}</p>", escaped(why))).unwrap_or_default()
}

/// The mark that a form of this vault carries: the browser keeps it in a cookie that no other site can read or set, and
/// sends it in the form too. A cookie that is there already serves for several open pages.
pub fn mark(headers: &HeaderMap) -> String {
    kept(headers).map(str::to_owned).unwrap_or_else(|| super::grants::secret().to_string())
}

/// The page, with the cookie of the mark.
pub fn marked(reply: Reply, mark: &str) -> Reply {
    let cookie = format!("{COOKIE}={mark}; Path=/; Secure; HttpOnly; SameSite=Strict");
    reply.with(header::SET_COOKIE, cookie)
}

/// Whether a form was sent by a page of this vault.
pub fn is_own(app: &App, headers: &HeaderMap, mark: Option<&str>) -> bool {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.as_bytes());
    origin.is_none_or(|origin| origin == app.public.origin().as_bytes())
        && mark.is_some_and(|mark| kept(headers) == Some(mark))
}

fn kept(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut named = cookies.flat_map(|line| line.split(';')).filter_map(|one| one.trim().split_once('='));
    let (_, value) = named.find(|(name, _)| *name == COOKIE)?;
    let fits =
        value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    fits.then_some(value)
}

/// What is told to whoever cannot sign in; the same in all cases, so that nobody learns which names there are.
pub const REFUSED: &str = "Name or password is wrong, or there were too many tries. Check both; after ten tries, wait a quarter of an hour.";

/// Logs that nobody signed in.
pub fn log_refused(name: &str, source: &Source, correlation: &str) {
    let name: String = name.chars().take(100).collect();
    tracing::warn!(name, %source, correlation, "a person could not sign in");
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_a_request_says_stays_text() {
        let evil = "\"><script>alert('1')</script>&\u{0}";

        let field = hidden("x", evil) + &credentials(evil) + &wrong(Some(evil));

        assert!(!field.contains("<script") && !field.contains('\u{0}') && !field.contains("'1'"), "{field}");
    }

    #[test]
    fn a_mark_is_kept_and_nothing_else_is_one() {
        let cookie = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(value).unwrap());
            headers
        };
        let mark = super::super::grants::secret().to_string();

        assert_eq!(kept(&cookie(&format!("a=b; {COOKIE}={mark}"))), Some(mark.as_str()));
        for other in [format!("{COOKIE}=short"), format!("x{COOKIE}={mark}"), format!("{COOKIE}={mark}<")] {
            assert_eq!(kept(&cookie(&other)), None, "{other}");
        }
    }
}
