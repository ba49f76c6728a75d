//! Clients of Azure Blob Storage.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::options::{
    Lister, Opened, check_endpoint, check_name, connections_to, is_true, key, retries, unusable,
};
use super::place::Place;
use super::transport::Transport;
use crate::base::error::Result;
use crate::store::settings::Settings;

pub(super) fn azure(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_retry(retries(settings)?);
    let (container, account) = place.bucket.split_once('@').unwrap_or((&place.bucket, ""));
    builder = builder.with_container_name(container);
    if let Some(account) = account.split('.').next().filter(|account| !account.is_empty()) {
        builder = builder.with_account(account);
    }
    for (name, value) in settings.of_service() {
        builder = builder.with_config(key::<AzureConfigKey>(name, "Azure")?, value);
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    check_endpoint(endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()))?;
    check_name("account", builder.get_config_value(&AzureConfigKey::AccountName).as_deref())?;
    let emulator = is_true(builder.get_config_value(&AzureConfigKey::UseEmulator));
    let mut options = connections_to("AZURE_", settings, endpoint.as_deref());
    if emulator {
        options = options.with_allow_http(true);
    }
    if settings.flag("anonymous")? {
        builder = builder.with_skip_signature(true);
    }
    builder = builder.with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options, None)?).build().map_err(unusable)?);
    // Azure and its emulator both heed conditions.
    Ok((store.clone(), Some(Lister(store)), true))
}
