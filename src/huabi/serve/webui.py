"""stub"""
from fastapi import APIRouter
BODIES = ()
def routes(service):
    return APIRouter()
