//! Clients of web servers.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::http::HttpBuilder;

use super::options::{Opened, connections, key, retries, unusable};
use super::place::Place;
use super::transport::Transport;
use crate::base::error::{Error, Result};
use crate::store::settings::Settings;

pub(super) fn http(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let options = connections().with_allow_http(true);
    if let Some((name, _)) = settings.of_service().next() {
        key::<std::num::NonZeroU8>(name, "http")?;
    }
    let mut headers = http::HeaderMap::new();
    if let Some(token) = settings.get("bearer_token") {
        let value = http::HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Error::invalid("store option bearer_token: not a header value"))?;
        headers.insert(http::header::AUTHORIZATION, value);
    }
    let builder = HttpBuilder::new().with_url(&place.bucket).with_retry(retries(settings)?);
    let builder = builder.with_client_options(options.clone());
    let builder = builder.with_http_connector(transport(options, Some(&headers))?);
    Ok((Arc::new(builder.build().map_err(unusable)?), None, false))
}
