"""What a project keeps: videos with titles and tags, collections, archives, files and characters."""
