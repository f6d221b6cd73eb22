//! Message types: from files, or from texts of a schema registry; and the columns that they have.

use super::plan::{MessagePlan, WellKnown, well_known};
use crate::column::MAX_TYPE_DEPTH;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use protox::{
    Compiler, Error,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};
use runink_connector_api::ConnectorError;
use std::{fs, path::Path, sync::Arc};

/// What a schema's text is called among those that it imports.
const ITSELF: &str = "schema.proto";

/// How many types a hint lists.
const MAX_TYPES_SHOWN: usize = 20;

/// A file of Protobuf's language, and what it imports.
#[derive(Debug, Clone)]
pub struct ProtoFile {
    pool: DescriptorPool,
    name: String,
}

/// A type of messages.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtoMessage(pub(super) MessageDescriptor);

/// Imports that came with a text.
struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((name, text)) => File::from_source(name, text),
            None => Err(Error::file_not_found(name)),
        }
    }
}

impl ProtoFile {
    /// Reads a file. What it imports is looked for in its folder; Google's own files are known.
    ///
    /// # Errors
    /// Where it cannot be read, or is not Protobuf's language.
    pub fn open(path: &Path) -> Result<Self, ConnectorError> {
        fs::metadata(path).map_err(|cause| {
            ConnectorError::user("FMT024", format!("cannot read `{}`: {cause}", path.display()))
                .hint("name a `.proto` file")
                .caused_by(cause)
        })?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let compiled = Compiler::new([folder]).and_then(|mut compiler| {
            compiler.open_file(path)?;
            Ok(compiler)
        });
        Self::of(compiled).map_err(|why| {
            ConnectorError::user("FMT024", format!("cannot understand `{}`: {why}", path.display()))
                .hint("the path is that of a `.proto` file; what it imports stands beside it")
        })
    }

    /// Reads a text, and those that it imports, by their names.
    ///
    /// # Errors
    /// Where it is not Protobuf's language.
    pub fn parse(text: &str, imports: Vec<(String, String)>) -> Result<Self, ConnectorError> {
        let mut files = ChainFileResolver::new();
        files.add(Texts(imports.into_iter().chain([(ITSELF.to_owned(), text.to_owned())]).collect()));
        files.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(files);
        let compiled = compiler.open_file(ITSELF).map(drop);
        Self::of(compiled.map(|()| compiler)).map_err(|why| {
            ConnectorError::user("FMT024", format!("cannot understand the Protobuf schema: {why}")).hint("see the schema in the registry")
        })
    }

    fn of(compiled: Result<Compiler, Error>) -> Result<Self, String> {
        // In its long form an error of the language has its file, line and column.
        let compiled = compiled.map_err(|e| if e.is_parse() { format!("{e:?}") } else { e.to_string() })?;
        let name = compiled.files().filter(|f| !f.is_import()).last().map(|f| f.name().to_owned()).unwrap_or_default();
        Ok(ProtoFile { pool: compiled.descriptor_pool(), name })
    }

    /// The type of that name; without a name, the first of the file.
    ///
    /// # Errors
    /// Where there is none.
    pub fn message(&self, name: Option<&str>) -> Result<ProtoMessage, ConnectorError> {
        let own = || self.pool.get_file_by_name(&self.name).into_iter().flat_map(|f| f.messages().collect::<Vec<_>>());
        let found = match name {
            None => own().next(),
            Some(name) => self.pool.get_message_by_name(name).filter(|m| !m.is_map_entry()),
        };
        found.map(ProtoMessage).ok_or_else(|| {
            let names: Vec<String> = own().take(MAX_TYPES_SHOWN).map(|m| format!("`{}`", m.full_name())).collect();
            let message = match name {
                Some(name) => format!("there is no message type `{name}` in `{}`", self.name),
                None => format!("there is no message type in `{}`", self.name),
            };
            let hint = if names.is_empty() { "name another file".into() } else { format!("its types are {}", names.join(", ")) };
            ConnectorError::user("FMT025", message).hint(hint)
        })
    }

    /// The type at a path of positions: the first among those of the file, each other among those inside the one before.
    pub(crate) fn at(&self, path: &[usize]) -> Option<ProtoMessage> {
        let (first, inner) = path.split_first()?;
        let mut message = self.pool.get_file_by_name(&self.name)?.messages().nth(*first)?;
        for at in inner {
            let child = message.child_messages().nth(*at);
            message = child?;
        }
        Some(ProtoMessage(message))
    }
}

impl ProtoMessage {
    /// The columns that it has: what is absent is null.
    ///
    /// # Errors
    /// Where messages contain themselves.
    pub fn columns(&self) -> Result<SchemaRef, ConnectorError> {
        let fields = self.0.fields().map(|field| column(&field, 0)).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(Schema::new(fields)))
    }

    /// How it is read into columns.
    pub(crate) fn plan(&self, columns: &Fields) -> Result<MessagePlan, ConnectorError> {
        MessagePlan::new(&self.0, columns)
    }

    /// Its name with that of its package.
    pub fn name(&self) -> &str {
        self.0.full_name()
    }
}

fn column(field: &FieldDescriptor, depth: usize) -> Result<Field, ConnectorError> {
    let one = one_type(field, depth)?;
    let data_type = match field.is_list() || field.is_map() {
        true => DataType::List(Arc::new(Field::new("item", one, true))),
        false => one,
    };
    Ok(Field::new(field.name(), data_type, true))
}

/// The type of one value, also where the field has several.
fn one_type(field: &FieldDescriptor, depth: usize) -> Result<DataType, ConnectorError> {
    Ok(match field.kind() {
        Kind::Bool => DataType::Boolean,
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => DataType::Int32,
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => DataType::Int64,
        Kind::Uint32 | Kind::Fixed32 => DataType::UInt32,
        Kind::Uint64 | Kind::Fixed64 => DataType::UInt64,
        Kind::Float => DataType::Float32,
        Kind::Double => DataType::Float64,
        Kind::String | Kind::Enum(_) => DataType::Utf8,
        Kind::Bytes => DataType::Binary,
        Kind::Message(message) => match well_known(&message) {
            Some(WellKnown::Timestamp) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Some(WellKnown::Wrapper(value)) => one_type(&value, depth)?,
            None if depth >= MAX_TYPE_DEPTH => {
                let message = format!("`{}` of `{}` is a message that contains itself", field.name(), field.parent_message().full_name());
                return Err(ConnectorError::user("FMT025", message)
                    .hint("name a contract on the source (`contract=…`), with the columns that are wanted"));
            }
            None => DataType::Struct(message.fields().map(|f| column(&f, depth + 1)).collect::<Result<Vec<_>, _>>()?.into()),
        },
    })
}
