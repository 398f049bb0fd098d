include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(accrete_targets accrete_accrete)
if(TARGET accrete_image)
  list(APPEND accrete_targets accrete_image)
endif()
if(TARGET accrete_device)
  list(APPEND accrete_targets accrete_device)
endif()
install(TARGETS ${accrete_targets} EXPORT accrete FILE_SET HEADERS)

set(accrete_cmake_dir "${CMAKE_INSTALL_DATADIR}/cmake/accrete")
install(EXPORT accrete NAMESPACE accrete:: FILE accreteTargets.cmake DESTINATION "${accrete_cmake_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/accreteConfig.cmake.in" "${PROJECT_BINARY_DIR}/accreteConfig.cmake" INSTALL_DESTINATION "${accrete_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/accreteConfigVersion.cmake" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/accreteConfig.cmake" "${PROJECT_BINARY_DIR}/accreteConfigVersion.cmake" "${PROJECT_SOURCE_DIR}/cmake/AccreteDependencies.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/FindOneDNN.cmake"
        DESTINATION "${accrete_cmake_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
