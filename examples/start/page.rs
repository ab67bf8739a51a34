//! [`Page`]: the frame around what an example shows.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};

/// A page is made of texts and of no template, so that an example shows all that it does. Whatever comes from a visitor
/// goes through [`escape`].
#[derive(Debug)]
pub struct Page {
    app: &'static str,
    title: String,
    links: String,
    account: String,
    messages: String,
    script: &'static str,
}

impl Page {
    /// A page of an app, by the names of both.
    #[must_use]
    pub fn new(app: &'static str, title: &str) -> Self {
        let (links, account, messages) = Default::default();
        Self { app, title: escape(title), links, account, messages, script: "" }
    }

    /// A link in the head to another page, or to this one.
    #[must_use]
    pub fn link(mut self, path: &str, name: &str) -> Self {
        let name = escape(name);
        let current = if name == self.title { r#" aria-current="page""# } else { "" };
        self.links += &format!(r#"<li><a href="{path}"{current}>{name}</a></li>"#);
        self
    }

    /// What the end of the head holds, as HTML: who is signed in.
    #[must_use]
    pub fn account(mut self, html: impl Into<String>) -> Self {
        self.account = html.into();
        self
    }

    /// What is to be told, once.
    #[must_use]
    pub fn messages(mut self, messages: &[String]) -> Self {
        self.messages = messages.iter().map(|text| format!("<p>{}</p>", escape(text))).collect();
        self
    }

    /// The HTML of the one script of the page.
    #[must_use]
    pub fn script(mut self, html: &'static str) -> Self {
        self.script = html;
        self
    }

    /// The page with this HTML in the middle.
    #[must_use]
    pub fn show(self, main: &str) -> HttpResponse {
        self.answer(StatusCode::OK, main)
    }

    /// The same with another status.
    #[must_use]
    pub fn answer(self, status: StatusCode, main: &str) -> HttpResponse {
        let Self { app, title, links, account, messages, script } = self;
        let links = match links.as_str() {
            "" => String::new(),
            links => format!(r#"<nav aria-label="Pages"><ul>{links}</ul></nav>"#),
        };
        let html = format!(
            r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · {app}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
{script}
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><div class="bar"><a class="name" href="/">{app}</a>{links}<div class="account">{account}</div></div></header>
<div class="messages" role="status" aria-live="polite">{messages}</div>
<main id="main" tabindex="-1"><h1>{title}</h1>
{main}
</main>
</body>
</html>
"##
        );
        HttpResponse::build(status)
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(html)
    }
}

/// A text for a page, in an attribute too.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Goes on to another page, by `GET`.
#[must_use]
pub fn to(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// A page holds nothing but its own, is in nobody's frame, and sends its forms to nobody else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
