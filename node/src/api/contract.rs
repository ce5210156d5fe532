//! The contract as data: its files, services and methods.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

/// What the .proto files say.
#[derive(Debug, Default)]
pub struct Contract {
    /// Encoded `google.protobuf.FileDescriptorProto` messages, by file name.
    files: BTreeMap<String, Bytes>,
    /// The file in which something is defined, by its full name.
    symbols: BTreeMap<String, String>,
    services: Vec<String>,
    methods: Vec<String>,
}

/// A `google.protobuf.FileDescriptorSet` whose files are left as they are.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// The contract of this program.
pub fn contract() -> &'static Contract {
    static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
        // The compiler that made the bytes is part of the build.
        Contract::read(Bytes::from_static(proto::DESCRIPTORS)).expect("descriptors of .proto files")
    });
    &CONTRACT
}

impl Contract {
    fn read(descriptors: Bytes) -> Result<Self, prost::DecodeError> {
        let mut contract = Self::default();
        for encoded in Files::decode(descriptors)?.file {
            let file = FileDescriptorProto::decode(encoded.clone())?;
            contract.add(&file);
            contract.files.insert(file.name().to_owned(), encoded);
        }
        Ok(contract)
    }

    fn add(&mut self, file: &FileDescriptorProto) {
        let (name, package) = (file.name(), file.package());
        for message in &file.message_type {
            self.add_message(name, package, message);
        }
        for words in &file.enum_type {
            self.add_enum(name, package, words);
        }
        for service in &file.service {
            let full = format!("{package}.{}", service.name());
            for method in &service.method {
                self.methods.push(format!("/{full}/{}", method.name()));
                self.symbol(name, format!("{full}.{}", method.name()));
            }
            self.services.push(full.clone());
            self.symbol(name, full);
        }
    }

    fn add_message(&mut self, file: &str, within: &str, message: &DescriptorProto) {
        let full = format!("{within}.{}", message.name());
        for field in &message.field {
            self.symbol(file, format!("{full}.{}", field.name()));
        }
        for choice in &message.oneof_decl {
            self.symbol(file, format!("{full}.{}", choice.name()));
        }
        for nested in &message.nested_type {
            self.add_message(file, &full, nested);
        }
        for words in &message.enum_type {
            self.add_enum(file, &full, words);
        }
        self.symbol(file, full);
    }

    fn add_enum(&mut self, file: &str, within: &str, words: &EnumDescriptorProto) {
        self.symbol(file, format!("{within}.{}", words.name()));
        // The words of an enum are beside it, not in it.
        for word in &words.value {
            self.symbol(file, format!("{within}.{}", word.name()));
        }
    }

    fn symbol(&mut self, file: &str, full: String) {
        self.symbols.insert(full, file.to_owned());
    }

    /// A file, by its name.
    pub fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.get(name)
    }

    /// The file in which something is defined, by its full name.
    pub fn file_of(&self, symbol: &str) -> Option<&Bytes> {
        self.file(self.symbols.get(symbol)?)
    }

    /// The full names of the services.
    pub fn services(&self) -> &[String] {
        &self.services
    }

    /// The paths of the methods.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }
}
