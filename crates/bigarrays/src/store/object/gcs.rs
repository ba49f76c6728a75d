//! Clients of Google Cloud Storage.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use super::options::{Lister, Opened, check_endpoint, connections_to, key, retries, unusable};
use super::place::Place;
use super::transport::Transport;
use crate::base::error::Result;
use crate::store::settings::Settings;

pub(super) fn gcs(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let mut builder =
        GoogleCloudStorageBuilder::from_env().with_bucket_name(&place.bucket).with_retry(retries(settings)?);
    for (name, value) in settings.of_service() {
        builder = builder.with_config(key::<GoogleConfigKey>(name, "GCS")?, value);
    }
    let base = builder.get_config_value(&GoogleConfigKey::BaseUrl);
    check_endpoint(base.as_deref())?;
    let options = connections_to("GOOGLE_", settings, base.as_deref());
    if settings.flag("anonymous")? {
        builder = builder.with_skip_signature(true);
    }
    builder = builder.with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options, None)?).build().map_err(unusable)?);
    Ok((store.clone(), Some(Lister(store)), base.is_none()))
}
