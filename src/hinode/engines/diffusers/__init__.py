"""The engine for open checkpoints: it runs the pipelines of the library diffusers one step at a time.

`engine` starts a run; `task` decides what a request means for a model; `memory`, `loading` and `execution`
hold the work, each importing only from those before it. The package has the name of the library: `import
diffusers` is absolute, here as anywhere, and means the library. Only `capabilities` may be imported without
torch.
"""
