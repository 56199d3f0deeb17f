"""Every command of ``pmipls``: each module here is imported, and its commands register themselves with a section."""
