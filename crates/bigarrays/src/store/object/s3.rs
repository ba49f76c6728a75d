//! Clients of Amazon S3 and of what speaks its language.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, resolve_bucket_region};
use object_store::client::StaticCredentialProvider;

use super::credentials::{Chain, is_sendable, profile_region};
use super::given::{Given, is_name};
use super::options::{Lister, Opened, connections_to, is_true, retries, unusable};
use super::place::Place;
use super::transport::Transport;
use crate::base::error::{Error, ErrorKind, Result};
use crate::store::settings::Settings;

pub(super) async fn s3(
    place: &Place,
    settings: &Settings,
    transport: impl FnOnce(ClientOptions, Option<&http::HeaderMap>) -> Result<Transport>,
) -> Result<Opened> {
    let given = Given::<AmazonS3ConfigKey>::of("AWS_", "S3", settings)?;
    let mut builder = AmazonS3Builder::new().with_bucket_name(&place.bucket).with_retry(retries(settings)?);
    for (key, value) in given.iter() {
        builder = builder.with_config(key, value);
    }
    let endpoint = given.endpoint(&[AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint])?;
    let options = connections_to("AWS_", settings, endpoint);
    let is_anonymous = settings.flag("anonymous")? || is_true(given.get(&[AmazonS3ConfigKey::SkipSignature]));
    let profile = settings.get("profile");
    let regions = [AmazonS3ConfigKey::Region, AmazonS3ConfigKey::DefaultRegion];
    let mut region = given.name(&regions, "region")?.map(str::to_owned);
    if region.is_none() {
        region = profile_region(profile).await;
    }
    if region.is_none() && endpoint.is_none() {
        region = resolve_bucket_region(&place.bucket, &options).await.ok();
    }
    if let Some(region) = region.as_ref().filter(|region| !is_name(region)) {
        return Err(Error::invalid(format!("the region of the profile: {region:?} is no region")));
    }
    if let Some(region) = &region {
        builder = builder.with_region(region);
    }
    if is_anonymous {
        builder = builder.with_skip_signature(true);
    } else if let Some(credential) = explicit_key(settings)? {
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    } else {
        builder = builder.with_credentials(Arc::new(Chain::load(profile, region.as_deref()).await));
    }
    // One by one: whole lists of deletions are not repeated after a passing fault.
    builder = builder.with_disable_bulk_delete(true).with_client_options(options.clone());
    let store = Arc::new(builder.with_http_connector(transport(options, None)?).build().map_err(unusable)?);
    let is_amazon =
        endpoint.is_none_or(|endpoint| endpoint.trim_end_matches('/').ends_with(".amazonaws.com"));
    Ok((store.clone(), Some(Lister(store)), is_amazon))
}

/// The key that the settings give. A part of it that they leave out, as the settings of another process
/// leave out secrets, is the environment's, but not of another key.
fn explicit_key(settings: &Settings) -> Result<Option<AwsCredential>> {
    let get =
        |keys: &[&str]| keys.iter().find_map(|key| settings.get(key)).map(|value| value.trim().to_owned());
    let variable = |name: &str| std::env::var(name).ok().map(|value| value.trim().to_owned());
    let id = get(&["access_key_id", "aws_access_key_id"]);
    let secret = get(&["secret_access_key", "aws_secret_access_key"]);
    let token = get(&["session_token", "aws_session_token", "token", "aws_token"]);
    let other = variable("AWS_ACCESS_KEY_ID");
    let part = match (id, secret) {
        (None, None) => return Ok(None),
        (Some(key_id), Some(secret_key)) => Some(AwsCredential { key_id, secret_key, token }),
        (Some(key_id), None) if other.as_ref().is_none_or(|other| *other == key_id) => {
            let token = token.or_else(|| variable("AWS_SESSION_TOKEN"));
            variable("AWS_SECRET_ACCESS_KEY").map(|secret_key| AwsCredential { key_id, secret_key, token })
        }
        (None, Some(secret_key)) => other.map(|key_id| AwsCredential { key_id, secret_key, token }),
        _ => None,
    };
    let alone = || {
        let message = "store options access_key_id and secret_access_key belong together; the one that is not \
                       given may be in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)";
        Error::new(ErrorKind::PermissionDenied, message)
    };
    let part = part.ok_or_else(alone)?;
    let refused =
        || Error::invalid("the access key or session token has a character that no request may have");
    if is_sendable(&part) { Ok(Some(part)) } else { Err(refused()) }
}
