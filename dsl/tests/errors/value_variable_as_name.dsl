Feature: Orders
  Background:
    @source(name=${env.NAME}, type=file)
