"""Columns that most tables have.  Times and amounts are integers, names are texts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Text


def tenant_column() -> Column[str]:
    return key_column("tenant")


def key_column(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def text_column(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def integer_column(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def number_column() -> Column[int]:
    """A number that counts up by itself; SQLite does that for INTEGER alone."""
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
