//! [`PlainHttp`]: whether a browser shows that it is on plain http, where it does not keep a `Secure` cookie.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use actix_web::{
    HttpRequest,
    http::header::{ORIGIN, REFERER},
};

use crate::events;

/// Tells of such a browser once.
#[derive(Debug, Default)]
pub(crate) struct PlainHttp {
    is_told: AtomicBool,
}

impl PlainHttp {
    /// Looks at a request that is answered with a `Secure` cookie of this name.
    pub(crate) fn look(&self, request: &HttpRequest, cookie: &str) {
        if !self.is_told.load(Ordering::Relaxed) && is_shown_by(request) && !self.is_told.swap(true, Ordering::Relaxed)
        {
            events::plain_http(cookie);
        }
    }
}

/// Whether the browser says itself that the page which made the request came over plain http, from this host and not
/// from the browser's own machine.
///
/// Behind a proxy that ends TLS, the app sees plain http all the same: so it is the browser's word that counts, and not
/// the connection's.
fn is_shown_by(request: &HttpRequest) -> bool {
    let headers = request.headers();
    // a browser sends this one over https, and to its own machine (Fetch Metadata Request Headers, section 3)
    if headers.contains_key("Sec-Fetch-Site") {
        return false;
    }
    let page = [ORIGIN, REFERER].iter().find_map(|name| headers.get(name)?.to_str().ok()?.strip_prefix("http://"));
    let Some(page) = page else { return false };
    let host = page.split_once('/').map_or(page, |(host, _)| host);
    let connection = request.connection_info();
    !is_local(host) && host.eq_ignore_ascii_case(connection.host()) && connection.scheme() == "http"
}

/// Whether a host with or without its port is the browser's own machine, from which it takes a `Secure` cookie.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn shown(headers: &[(&str, &str)]) -> bool {
        let request = headers.iter().fold(TestRequest::get(), |request, header| request.insert_header(*header));
        is_shown_by(&request.to_http_request())
    }

    #[test]
    fn a_page_of_this_host_over_plain_http_shows_it() {
        for host in ["192.168.0.17:8080", "shop.lan", "SHOP.lan", "[fe80::1]:8080", "localhost.example.com"] {
            let origin = format!("http://{}", host.to_lowercase());
            assert!(shown(&[("Host", host), ("Origin", &origin)]), "{host}");
            assert!(shown(&[("Host", host), ("Origin", "null"), ("Referer", &format!("{origin}/cart?a=b"))]), "{host}");
        }
        let rewritten = [("Host", "10.0.0.5:8080"), ("X-Forwarded-Host", "shop.lan"), ("Origin", "http://shop.lan")];
        assert!(shown(&rewritten));
    }

    #[test]
    fn what_may_be_https_or_the_browsers_own_machine_does_not() {
        let lan = [("Host", "shop.lan"), ("Origin", "http://shop.lan")];
        let with = |more| shown(&[&lan[..], &[more]].concat());
        assert!(!with(("X-Forwarded-Proto", "https")));
        assert!(!with(("Forwarded", "proto=https;host=shop.lan")));
        assert!(!with(("Sec-Fetch-Site", "same-origin")));
        for (host, page) in [
            ("shop.lan", "https://shop.lan"),
            ("shop.lan", "http://other.lan"),
            ("shop.lan:8080", "http://shop.lan"),
            ("shop.lan", "null"),
            ("10.0.0.5:8080", "http://shop.lan"),
            ("localhost:8080", "http://localhost:8080"),
            ("shop.localhost", "http://shop.localhost"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert!(!shown(&[("Host", host), ("Origin", page)]), "{host} of {page}");
            assert!(!shown(&[("Host", host), ("Referer", &format!("{page}/"))]), "{host} of {page}");
        }
        assert!(!shown(&[("Host", "shop.lan")]));
    }
}
