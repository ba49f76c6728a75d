//! Connections of this process to services, and where they let themselves be redirected.

use std::collections::HashMap;
use std::fmt;
use std::net::ToSocketAddrs;
use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use object_store::ClientOptions;
use object_store::client::{ClientConfigKey as Key, HttpClient};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::tls::Certificate;
use reqwest::{ClientBuilder, NoProxy, Proxy};

use super::failure::{Elsewhere, chain};
use super::place::Service;
use super::random::random;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::run::pool::PerProcess;

/// Most redirects that are followed for one request.
const MOST_REDIRECTS: usize = 10;

/// The connections of this process to a kind of service with such options, whatever the place. `headers` go
/// with every request, but to no other host.
pub(super) fn connections_with(
    service: Service,
    options: &ClientOptions,
    headers: Option<&HeaderMap>,
) -> Result<HttpClient> {
    static CONNECTIONS: PerProcess<Mutex<HashMap<String, HttpClient>>> = PerProcess::new();
    let all = CONNECTIONS.get_or_try_init(|| Ok(Mutex::default()))?;
    let mut all = all.locked();
    // Nothing else tells options apart; the text stays here.
    let token =
        headers.and_then(|headers| headers.get(http::header::AUTHORIZATION)).map(HeaderValue::as_bytes);
    let name = format!("{} {options:?} {token:?}", service == Service::Http);
    if let Some(connections) = all.get(&name) {
        return Ok(connections.clone());
    }
    let mut builder = builder(options)?.redirect(policy(service)).referer(false);
    if let Some(headers) = headers {
        builder = builder.default_headers(headers.clone());
    }
    let new = builder
        .build()
        .map_err(|error| Error::invalid(chain(&error.without_url())).during("preparing connections"))?;
    Ok(all.entry(name).or_insert(HttpClient::new(new)).clone())
}

/// Signatures, tokens of sessions and what is written are for the host that they were made for: services that
/// get them are followed to other paths of it only. Web servers are followed everywhere; a token is left
/// behind.
fn policy(service: Service) -> Policy {
    let is_web = service == Service::Http;
    Policy::custom(move |attempt: Attempt<'_>| {
        if attempt.previous().len() > MOST_REDIRECTS {
            return attempt.error(TooManyRedirects);
        }
        let origin = attempt.previous().first().map(reqwest::Url::origin);
        if is_web || origin.is_some_and(|origin| origin == attempt.url().origin()) {
            return attempt.follow();
        }
        let elsewhere = Elsewhere(attempt.url().host_str().unwrap_or_default().to_owned());
        attempt.error(elsewhere)
    })
}

/// More redirects than anything needs.
#[derive(Debug)]
struct TooManyRedirects;

impl fmt::Display for TooManyRedirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many redirects")
    }
}

impl std::error::Error for TooManyRedirects {}

/// A client as `object_store` would make it of such options: it offers no way to say where to follow redirects.
fn builder(options: &ClientOptions) -> Result<ClientBuilder> {
    let get = |key: Key| options.get_config_value(&key);
    let is_set = |key: Key| flag(key, get(key));
    let time = |key: Key| get(key).map(|text| duration(key, &text)).transpose();
    let count = |key: Key| get(key).map(|text| number(key, &text)).transpose();
    let mut builder = ClientBuilder::new()
        .user_agent(get(Key::UserAgent).unwrap_or_default())
        .https_only(!is_set(Key::AllowHttp)?)
        .http2_keep_alive_while_idle(is_set(Key::Http2KeepAliveWhileIdle)?)
        .tls_danger_accept_invalid_certs(is_set(Key::AllowInvalidCertificates)?);
    if let Some(proxy) = get(Key::ProxyUrl) {
        builder = with_proxy(builder, &proxy, get(Key::ProxyExcludes), get(Key::ProxyCaCertificate))?;
    }
    if is_set(Key::NoSystemCertificates)? {
        builder = builder.tls_certs_only(std::iter::empty());
    }
    if let Some(time) = time(Key::ConnectTimeout)? {
        builder = builder.connect_timeout(time);
    }
    if let Some(time) = time(Key::ReadTimeout)? {
        builder = builder.read_timeout(time);
    }
    if let Some(time) = time(Key::PoolIdleTimeout)? {
        builder = builder.pool_idle_timeout(time);
    }
    if let Some(time) = time(Key::Http2KeepAliveInterval)? {
        builder = builder.http2_keep_alive_interval(time);
    }
    if let Some(time) = time(Key::Http2KeepAliveTimeout)? {
        builder = builder.http2_keep_alive_timeout(time);
    }
    if let Some(most) = count(Key::PoolMaxIdlePerHost)? {
        builder = builder.pool_max_idle_per_host(most as usize);
    }
    if let Some(size) = count(Key::Http2MaxFrameSize)? {
        builder = builder.http2_max_frame_size(size);
    }
    if is_set(Key::Http1Only)? {
        builder = builder.http1_only();
    }
    if is_set(Key::Http2Only)? {
        builder = builder.http2_prior_knowledge();
    }
    if is_set(Key::RandomizeAddresses)? {
        builder = builder.dns_resolver(Shuffled);
    }
    Ok(builder)
}

fn with_proxy(
    mut builder: ClientBuilder,
    url: &str,
    excludes: Option<String>,
    certificate: Option<String>,
) -> Result<ClientBuilder> {
    // The URL may hold a password, and what follows from it.
    let mut proxy = Proxy::all(url).map_err(|_| Error::invalid("proxy_url is not the URL of a proxy"))?;
    if let Some(certificate) = certificate {
        let certificate = Certificate::from_pem(certificate.as_bytes());
        let certificate =
            certificate.map_err(|_| Error::invalid("proxy_ca_certificate is no PEM certificate"))?;
        builder = builder.tls_certs_merge([certificate]);
    }
    if let Some(excludes) = excludes {
        proxy = proxy.no_proxy(NoProxy::from_string(&excludes));
    }
    Ok(builder.proxy(proxy))
}

fn unusable(key: Key, what: &str) -> Error {
    Error::invalid(format!("store option {}: not {what}", key.as_ref()))
}

fn flag(key: Key, value: Option<String>) -> Result<bool> {
    match value.unwrap_or_default().to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Ok(true),
        "" | "0" | "false" | "off" | "no" | "n" => Ok(false),
        _ => Err(unusable(key, "true or false")),
    }
}

fn number(key: Key, text: &str) -> Result<u32> {
    text.trim().parse().map_err(|_| unusable(key, "a number"))
}

/// A time such as `30s`, `1m 30s` or `500 ms`.
fn duration(key: Key, text: &str) -> Result<Duration> {
    let text: String = text.split_whitespace().collect();
    let (mut rest, mut sum) = (text.as_str(), Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (count, after) = rest.split_at(digits);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let nanoseconds = match unit {
            "ns" | "nsec" => 1,
            "us" | "usec" | "µs" => 1_000,
            "ms" | "msec" => 1_000_000,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000_000_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000_000_000,
            "d" | "day" | "days" => 86_400_000_000_000,
            _ => 0_u64,
        };
        let part = count.parse::<u64>().ok().and_then(|count| count.checked_mul(nanoseconds));
        let part = part.filter(|_| nanoseconds > 0).map(Duration::from_nanos);
        sum =
            part.and_then(|part| sum.checked_add(part)).ok_or_else(|| unusable(key, "a time, as in 30s"))?;
        rest = after;
    }
    Ok(sum)
}

/// Hands out the addresses of a host in another order each time, so that its machines share the requests.
#[derive(Debug)]
struct Shuffled;

impl Resolve for Shuffled {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || {
                (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>)
            });
            let mut addresses = found.await??;
            for last in (1..addresses.len()).rev() {
                addresses.swap(last, random() as usize % (last + 1));
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let read = |text: &str| duration(Key::ConnectTimeout, text).ok();
        assert_eq!(read("1m 30s"), Some(Duration::from_secs(90)));
        assert_eq!(read("500 ms"), Some(Duration::from_millis(500)));
        assert_eq!(read("30"), None);
        assert_eq!(read("hush s"), None);
        let options = ClientOptions::new().with_connect_timeout(Duration::from_millis(90_500));
        assert_eq!(
            read(&options.get_config_value(&Key::ConnectTimeout).unwrap()),
            Some(Duration::from_millis(90_500))
        );
    }
}
