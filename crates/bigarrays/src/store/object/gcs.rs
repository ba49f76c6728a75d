//! Clients of Google Cloud Storage.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::given::Given;
use super::options::{Lister, Opened, connections_to, retries, unusable, variable};
use super::place::Place;
use super::transport::Transport;
use crate::base::error::Result;
use crate::store::settings::Settings;

pub(super) fn gcs(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let given = Given::<GoogleConfigKey>::of("GOOGLE_", "GCS", settings)?;
    let mut builder =
        GoogleCloudStorageBuilder::new().with_bucket_name(&place.bucket).with_retry(retries(settings)?);
    if let Some(path) = variable("SERVICE_ACCOUNT") {
        builder = builder.with_service_account_path(path);
    }
    for (key, value) in given.iter() {
        builder = builder.with_config(key, value);
    }
    let base = given.endpoint(&[GoogleConfigKey::BaseUrl])?;
    let options = connections_to("GOOGLE_", settings, base);
    if settings.flag("anonymous")? {
        builder = builder.with_skip_signature(true);
    }
    builder = builder.with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options, None)?).build().map_err(unusable)?);
    Ok((store.clone(), Some(Lister(store)), base.is_none()))
}
