"""Load sharing in virtual time: the RMS's own load list and policies, on traffic that is made up or recorded."""
