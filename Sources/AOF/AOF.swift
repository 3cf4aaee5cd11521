/// The library product: `import AOF` brings the store, its logs and their vocabulary.
@_exported import AOFCore
@_exported import AOFEngine
@_exported import AOFManifest
@_exported import AOFRemote
