"""Running a pipeline of diffusers one step at a time. Imports from `memory` and `loading`."""
