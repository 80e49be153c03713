"""Scores and explains rows over HTTP: MODEL=detector.pickle uvicorn scoring_app:app."""

import os
import pickle
from pathlib import Path
from typing import Annotated

import pandas as pd
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

# of a file of one's own only: a pickle runs what is in it
detector = pickle.loads(Path(os.environ["MODEL"]).read_bytes())
columns = list(detector.feature_names_in_)
app = FastAPI(title="Anomaly scores")


class Request(BaseModel):
    """Rows as records, in which null or nothing is a missing cell."""

    rows: list[dict[str, bool | float | str | None]] = Field(min_length=1, max_length=10_000)
    n_cells: Annotated[int, Field(ge=0)] = 3  # that are named as reasons


@app.post("/score")
def score(request: Request):
    """Say how normal rows are, how often normal ones are as odd, and because of which cells."""
    if unknown := set().union(*request.rows).difference(columns):
        raise HTTPException(422, f"Unknown columns: {sorted(unknown)}. Known are {columns}.")
    X = pd.DataFrame(request.rows, columns=columns)
    try:
        scores, pvalues = detector.score_samples(X), detector.predict_pvalue(X)
        labels, why = detector.predict(X), detector.explain(X)
    except (ValueError, TypeError) as error:  # in the words of the package
        raise HTTPException(422, str(error)) from error
    found = zip(scores.tolist(), pvalues.tolist(), labels.tolist(), strict=True)
    return [
        {"score": s, "pvalue": p, "label": label, "cells": cells(why, i, request.n_cells)}
        for i, (s, p, label) in enumerate(found)
    ]


def cells(why, i, n_cells):
    """Return what adds most to the anomaly of a row, in nats, and what it should have been."""
    top = why.contributions.iloc[i].nlargest(n_cells)
    expected = why.expected.astype(object).iloc[i].to_dict()
    return [
        {"column": name, "contribution": nats, "expected": expected[name]}
        for name, nats in top[top > 0].items()
    ]


@app.get("/health")
def health():
    """Say that the model is loaded."""
    return {"status": "ok"}


@app.get("/card")
def card():
    """Say what the model is."""
    parameters = {name: repr(value) for name, value in detector.get_params().items()}
    name = type(detector).__name__
    n_rows = len(detector.training_scores_)
    return {"model": name, "parameters": parameters, "columns": columns, "training_rows": n_rows}
