//! A fast S3 server on the `s3s` crate, which speaks the protocol and checks signatures. The values are in
//! memory, under one lock, so that conditional writes are atomic and reads are never torn.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::{
    Body, S3, S3Request, S3Response, S3Result, auth::SimpleAuth, checksum::ChecksumHasher, dto::*, s3_error,
    service::S3ServiceBuilder,
};

use super::{BUCKET, Result, Started, s3};
use crate::background::Background;

/// S3's own least size of a part that is not the last.
const LEAST_PART: usize = 5 << 20;

pub(super) fn start() -> Result<Started> {
    let mut builder = S3ServiceBuilder::new(Memory::default());
    builder.set_auth(SimpleAuth::from_single(s3::KEY, s3::SECRET));
    let service = builder.build();
    let serving = Background::serve(0, move |stream| {
        let service = service.clone();
        async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    })?;
    let address = serving.address();
    Ok(Started { process: None, _serving: Some(serving), address, access: s3::access(address) })
}

/// What is stored with a value.
#[derive(Clone, Default)]
struct Attributes {
    content_type: Option<ContentType>,
    content_encoding: Option<ContentEncoding>,
    cache_control: Option<CacheControl>,
    metadata: Option<Metadata>,
}

#[derive(Clone)]
struct Object {
    value: Bytes,
    tag: String,
    modified: Timestamp,
    attributes: Attributes,
    checksum: Checksum,
}

impl Object {
    fn tag(&self) -> Option<ETag> {
        Some(ETag::Strong(self.tag.clone()))
    }
}

struct Upload {
    key: String,
    attributes: Attributes,
    parts: BTreeMap<i32, Bytes>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: HashMap<String, Upload>,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

/// The tag of a value: by its content, as S3's is, but faster than MD5. Clients that check MD5s know
/// from this form, digits and a dash, that it is none.
fn tag(value: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, value);
    format!("{sum:020}{:010}-", value.len())
}

async fn whole(body: Option<StreamingBlob>, length: Option<i64>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut value =
        BytesMut::with_capacity(length.and_then(|l| usize::try_from(l).ok()).unwrap_or(0).min(1 << 30));
    while let Some(piece) = body.next().await {
        value.extend_from_slice(&piece.map_err(|error| s3_error!(IncompleteBody, "{error}"))?);
    }
    if length.is_some_and(|l| usize::try_from(l) != Ok(value.len())) {
        return Err(s3_error!(IncompleteBody));
    }
    Ok(value.freeze())
}

/// Checks the checksums that came with a value, and keeps them.
macro_rules! checked {
    ($input:expr, $value:expr, $($field:ident $hash:ident),*) => {{
        let mut hasher = ChecksumHasher::default();
        $(if $input.$field.is_some() { hasher.$hash = Some(Default::default()); })*
        hasher.update($value);
        let found = hasher.finalize();
        $(if $input.$field.is_some() && $input.$field != found.$field {
            return Err(s3_error!(BadDigest, stringify!($field)));
        })*
        found
    }};
}

impl Memory {
    fn state(&self, bucket: &str) -> S3Result<MutexGuard<'_, State>> {
        match bucket {
            BUCKET => Ok(self.0.lock().expect("nothing panics")),
            _ => Err(s3_error!(NoSuchBucket)),
        }
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.state(bucket)?.objects.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }
}

impl State {
    /// Stores an object if its conditions hold.
    fn put(
        &mut self,
        key: String,
        object: Object,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        let current = self.objects.get(&key).and_then(Object::tag);
        match (if_match, &current) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(tag)) if !matches(condition, tag) => {
                return Err(s3_error!(PreconditionFailed));
            }
            _ => {}
        }
        if if_none_match.zip(current.as_ref()).is_some_and(|(condition, tag)| matches(condition, tag)) {
            return Err(s3_error!(PreconditionFailed));
        }
        self.objects.insert(key, object);
        Ok(())
    }
}

fn matches(condition: &ETagCondition, tag: &ETag) -> bool {
    condition.is_any() || condition.as_etag().is_some_and(|wanted| wanted.weak_cmp(tag))
}

#[async_trait::async_trait]
impl S3 for Memory {
    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        drop(self.state(&req.input.bucket)?);
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = req.input;
        let value = whole(input.body.take(), input.content_length).await?;
        let sums = checked!(input, &value, checksum_crc32 crc32, checksum_crc32c crc32c, checksum_sha1 sha1,
            checksum_sha256 sha256, checksum_crc64nvme crc64nvme);
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            cache_control: input.cache_control,
            metadata: input.metadata,
        };
        let object = Object {
            tag: tag(&value),
            value,
            modified: SystemTime::now().into(),
            attributes,
            checksum: sums,
        };
        let e_tag = object.tag();
        let mut state = self.state(&input.bucket)?;
        state.put(input.key, object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let object = self.find(&input.bucket, &input.key)?;
        let tag = ETag::Strong(object.tag.clone());
        if input.if_match.is_some_and(|condition| !matches(&condition, &tag)) {
            return Err(s3_error!(PreconditionFailed));
        }
        if input.if_none_match.is_some_and(|condition| matches(&condition, &tag)) {
            return Err(s3_error!(NotModified));
        }
        let length = object.value.len();
        let (value, content_range, sums) = match input.range {
            None => (object.value, None, object.checksum),
            Some(range) => {
                let range = range.check(length as u64)?;
                let content_range = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                let value = object.value.slice(range.start as usize..range.end as usize);
                (value, Some(content_range), Checksum::default())
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(value.len() as i64),
            body: Some(Body::from(value).into()),
            content_range,
            e_tag: Some(tag),
            last_modified: Some(object.modified),
            content_type: object.attributes.content_type,
            content_encoding: object.attributes.content_encoding,
            cache_control: object.attributes.cache_control,
            metadata: object.attributes.metadata,
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.find(&req.input.bucket, &req.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".into()),
            content_length: Some(object.value.len() as i64),
            e_tag: object.tag(),
            last_modified: Some(object.modified),
            content_type: object.attributes.content_type,
            content_encoding: object.attributes.content_encoding,
            cache_control: object.attributes.cache_control,
            metadata: object.attributes.metadata,
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.state(&req.input.bucket)?.objects.remove(&req.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let mut state = self.state(&req.input.bucket)?;
        let mut deleted = Vec::new();
        for object in req.input.delete.objects {
            state.objects.remove(&object.key);
            deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
        }
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let most = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap_or(0).clamp(1, 1000);
        let (prefix, delimiter) =
            (input.prefix.clone().unwrap_or_default(), input.delimiter.clone().unwrap_or_default());
        let mut after = input.continuation_token.clone().or(input.start_after.clone()).unwrap_or_default();
        let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
        let state = self.state(&input.bucket)?;
        let mut is_truncated = false;
        loop {
            // A prefix already told is passed over whole: its last possible key is below this bound.
            let from = match after.ends_with(&delimiter) && !delimiter.is_empty() {
                true => format!("{after}\u{10ffff}"),
                false => after.clone(),
            };
            let mut rest = state.objects.range::<str, _>((Bound::Excluded(from.as_str()), Bound::Unbounded));
            let mut rest_from_prefix =
                state.objects.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
            let next = if from < prefix { rest_from_prefix.next() } else { rest.next() };
            let Some((key, object)) = next.filter(|(key, _)| key.starts_with(&prefix)) else { break };
            if contents.len() + common_prefixes.len() == most {
                is_truncated = true;
                break;
            }
            let cut = key[prefix.len()..].find(&delimiter).filter(|_| !delimiter.is_empty());
            if let Some(cut) = cut {
                after = key[..prefix.len() + cut + delimiter.len()].to_owned();
                common_prefixes.push(CommonPrefix { prefix: Some(after.clone()) });
            } else {
                after.clone_from(key);
                contents.push(s3s::dto::Object {
                    key: Some(key.clone()),
                    size: Some(object.value.len() as i64),
                    e_tag: object.tag(),
                    last_modified: Some(object.modified.clone()),
                    ..s3s::dto::Object::default()
                });
            }
        }
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
            is_truncated: Some(is_truncated),
            next_continuation_token: is_truncated.then_some(after),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: input.max_keys,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let id = format!("{:032x}", rand::random::<u128>());
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            cache_control: input.cache_control,
            metadata: input.metadata,
        };
        let upload = Upload { key: input.key.clone(), attributes, parts: BTreeMap::new() };
        self.state(&input.bucket)?.uploads.insert(id.clone(), upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let mut input = req.input;
        let value = whole(input.body.take(), input.content_length).await?;
        checked!(input, &value, checksum_crc32 crc32, checksum_crc32c crc32c, checksum_sha1 sha1,
            checksum_sha256 sha256, checksum_crc64nvme crc64nvme);
        let e_tag = Some(ETag::Strong(tag(&value)));
        let mut state = self.state(&input.bucket)?;
        let upload = state.uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.parts.insert(input.part_number, value);
        Ok(S3Response::new(UploadPartOutput { e_tag, ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let mut state = self.state(&input.bucket)?;
        let upload = state.uploads.get(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let listed = input.multipart_upload.and_then(|m| m.parts).unwrap_or_default();
        let mut value = BytesMut::new();
        for (i, part) in listed.iter().enumerate() {
            let stored =
                part.part_number.and_then(|n| upload.parts.get(&n)).ok_or_else(|| s3_error!(InvalidPart))?;
            if part.e_tag.as_ref().is_some_and(|t| t.value() != tag(stored)) {
                return Err(s3_error!(InvalidPart));
            }
            if i + 1 < listed.len() && stored.len() < LEAST_PART {
                return Err(s3_error!(EntityTooSmall));
            }
            value.extend_from_slice(stored);
        }
        let object = Object {
            tag: format!("{:05}{}", listed.len(), tag(&value)),
            value: value.freeze(),
            modified: SystemTime::now().into(),
            attributes: upload.attributes.clone(),
            checksum: Checksum::default(),
        };
        let e_tag = object.tag();
        state.put(input.key.clone(), object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        state.uploads.remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag,
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let removed = self.state(&req.input.bucket)?.uploads.remove(&req.input.upload_id);
        removed
            .map(|_| S3Response::new(AbortMultipartUploadOutput::default()))
            .ok_or_else(|| s3_error!(NoSuchUpload))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let state = self.state(&req.input.bucket)?;
        let uploads = state.uploads.iter().map(|(id, upload)| MultipartUpload {
            key: Some(upload.key.clone()),
            upload_id: Some(id.clone()),
            ..MultipartUpload::default()
        });
        let uploads = Some(uploads.collect());
        Ok(S3Response::new(ListMultipartUploadsOutput { uploads, ..ListMultipartUploadsOutput::default() }))
    }
}
