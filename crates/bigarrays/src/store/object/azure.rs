//! Clients of Azure Blob Storage.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::given::{Given, is_endpoint};
use super::options::{Lister, Opened, connections_to, is_true, retries, unusable, variable};
use super::place::Place;
use super::transport::Transport;
use crate::base::error::{Error, Result};
use crate::store::settings::Settings;

pub(super) fn azure(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    use AzureConfigKey as Key;
    let given = Given::<AzureConfigKey>::of("AZURE_", "Azure", settings)?;
    let mut builder = MicrosoftAzureBuilder::new().with_retry(retries(settings)?);
    if let Some(endpoint) = variable("IDENTITY_ENDPOINT") {
        if !is_endpoint(&endpoint) {
            return Err(Error::invalid("environment variable IDENTITY_ENDPOINT: not a URL"));
        }
        builder = builder.with_msi_endpoint(endpoint);
    }
    for (key, value) in given.iter() {
        builder = builder.with_config(key, value);
    }
    let (container, account) = place.bucket.split_once('@').unwrap_or((&place.bucket, ""));
    builder = builder.with_container_name(container);
    let account = account.split('.').next().filter(|account| !account.is_empty());
    // An account that is set comes before that of the URL, and that before the environment's.
    let is_set = ["account_name", "azure_storage_account_name"].iter().any(|key| settings.get(key).is_some());
    if let Some(account) = account.filter(|_| !is_set) {
        builder = builder.with_account(account);
    }
    let endpoint = given.endpoint(&[Key::Endpoint])?;
    // Without credentials, tokens are asked for at these.
    for key in [Key::AuthorityHost, Key::MsiEndpoint] {
        given.endpoint(&[key])?;
    }
    given.name(&[Key::AccountName], "account")?;
    given.name(&[Key::AuthorityId], "tenant")?;
    let emulator = is_true(given.get(&[Key::UseEmulator]));
    let mut options = connections_to("AZURE_", settings, endpoint);
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
