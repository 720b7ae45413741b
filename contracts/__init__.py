"""What two or more services must agree on, and nothing else; this file imports nothing.

Admission: a module is here only if it describes a file, table, HTTP answer, setting or signal that
two services share. Its first line says who writes it and who reads it.
"""
